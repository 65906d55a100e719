# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server and the credentials for it, by module options, a kubeconfig or the service account of the pod.

Plain kubeconfigs (certificates, tokens, basic auth) are read here, since the import of the `kubernetes` library takes
longer than all requests of a step. `exec` and `auth-provider` are left to that library.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback

from .._common.http_client import tls_context
from .._common.values import show
from .http_proxy import proxy_for
from .kubeconfig_schema import SECTIONS, mistakes
from .kubectl import version


class ClusterError(Exception):
    """One sentence: what failed, where and why. `status` and `reason` are those of the API server, if it answered."""

    def __init__(self, message: str, status: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def mistakes(self) -> list[str]:
        """As the mistakes of other errors."""
        return [str(self)]


def _option(name: str, kind: str = "str", *aliases: str, **more: Any) -> dict[str, dict[str, Any]]:
    """An option that can be given as a variable of the environment, also by its aliases."""
    last = name.rpartition(".")[2]
    variables = [f"K8S_AUTH_{each.replace('.', '_').upper()}" for each in (name, *aliases)]
    spec = {"type": kind, "fallback": (env_fallback, variables)} | ({"aliases": list(aliases)} if aliases else {})
    return {last: spec | more}


AUTH_ARGUMENTS: dict[str, dict[str, Any]] = {
    **_option("kubeconfig", "raw", no_log=True),
    **_option("context"),
    **_option("host"),
    **_option("api_key", no_log=True),
    **_option("username"),
    **_option("password", no_log=True),
    **_option("validate_certs", "bool", "verify_ssl"),
    **_option("ca_cert", "path", "ssl_ca_cert"),
    **_option("client_cert", "path", "cert_file"),
    **_option("client_key", "path", "key_file", no_log=False),  # the path of a file, not the key
    **_option("proxy"),
    **_option("no_proxy"),
    "proxy_headers": {
        "type": "dict",
        "options": {
            **_option("proxy_headers.proxy_basic_auth", no_log=True),
            **_option("proxy_headers.basic_auth", no_log=True),
            **_option("proxy_headers.user_agent"),
        },
    },
    **_option("impersonate_user"),
    **_option("impersonate_groups", "list", elements="str"),
}

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_GRAPHIC = re.compile(r"[\x21-\x7e]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


@dataclass(frozen=True)
class Access:
    """The access to an API server; certificates are PEM text."""

    server: str
    context: str
    authorization: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    verify: bool = True
    tls_server_name: str = ""
    proxy: str = ""
    proxy_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """The headers with the credentials; each group is a header."""
        found = [("Authorization", self.authorization)] if self.authorization else []
        if self.impersonate_user:
            found.append(("Impersonate-User", self.impersonate_user))
        return found + [("Impersonate-Group", group) for group in self.impersonate_groups]

    def tls(self) -> ssl.SSLContext:
        """A TLS context with our certificates; the client key is on disk only while OpenSSL reads it."""
        context = tls_context(self.verify, data=self.ca)
        if self.cert:
            with tempfile.TemporaryDirectory() as folder:
                pem = Path(folder, "client.pem")
                pem.touch(mode=0o600)
                pem.write_text(f"{self.cert}\n{self.key}")
                context.load_cert_chain(pem, password="")  # of an encrypted key OpenSSL would ask the terminal
        return context


def load(params: Mapping[str, Any]) -> Access:
    """The access by module options or K8S_AUTH_* variables, in the order of kubernetes.core. Raises ClusterError."""
    access = _override(_found(params), params)
    if access.cert and not access.key:
        raise ClusterError(
            f"a client certificate is given for {access.server}, but no client key: set `client_key` too"
        )
    server = _url(access.server, ("http", "https"), f"the server of context {access.context}")
    proxy = proxy_for(server, access.proxy, params.get("no_proxy"))
    if proxy:
        _url(proxy, ("http", "https"), f"the proxy for {server}")
    _require_sendable([*access.headers(), *access.proxy_headers.items()])
    return replace(access, proxy=proxy)


def _url(text: str, schemes: tuple[str, ...], what: str) -> str:
    """The text, if it is a URL of such a scheme with a host. A password in it is not repeated."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and parts.hostname and parts.port != 0 and _GRAPHIC.fullmatch(text)
    except ValueError:
        sound = None
    if not sound:
        shown = show(re.sub("//[^/@]*@", "//", text))
        examples = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
        raise ClusterError(f"{what} is {shown}: it must be a URL such as {examples}")
    return text


def _require_sendable(headers: Sequence[tuple[str, str]]) -> None:
    """Values are not repeated, since they may be secret."""
    for name, value in headers:
        if not _HEADER_VALUE.fullmatch(value):
            raise ClusterError(
                f"the header {name} would hold characters that HTTP cannot carry, such as a line end: correct the "
                "token, name or password that it is made of"
            )


def _found(params: Mapping[str, Any]) -> Access:
    host, kubeconfig, context = params.get("host"), params.get("kubeconfig"), params.get("context")
    explicit = (("api_key",), ("username", "password"), ("client_cert", "client_key"))
    if host and any(all(params.get(name) for name in names) for names in explicit):
        return Access(server=host.rstrip("/"), context=host)
    if not kubeconfig and not context and os.environ.get("KUBERNETES_SERVICE_HOST") and _SERVICE_ACCOUNT.is_dir():
        return _service_account(os.environ)
    if isinstance(kubeconfig, Mapping):
        config = dict(kubeconfig)
        _require_shape(config, "the kubeconfig that is given")
    elif kubeconfig and not isinstance(kubeconfig, str):
        raise ClusterError(f"kubeconfig is {show(kubeconfig)}: it must be a path or a mapping")
    else:
        config = _read_kubeconfig(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config", bool(kubeconfig))
    return _from_kubeconfig(config, context)


def _override(access: Access, params: Mapping[str, Any]) -> Access:
    changes: dict[str, Any] = {
        "server": (params.get("host") or access.server).rstrip("/"),
        "proxy": params.get("proxy") or access.proxy,
        "impersonate_user": params.get("impersonate_user") or access.impersonate_user,
        "impersonate_groups": tuple(params.get("impersonate_groups") or access.impersonate_groups),
    }
    if params.get("api_key"):
        changes["authorization"] = f"Bearer {params['api_key']}"
    elif params.get("username") and params.get("password"):
        changes["authorization"] = _basic(params["username"], params["password"])
    for option, name in (("ca_cert", "ca"), ("client_cert", "cert"), ("client_key", "key")):
        if params.get(option):
            changes[name] = _read(params[option], f"option `{option}`")
    if params.get("validate_certs") is not None:
        changes["verify"] = params["validate_certs"]
    headers = {name: value for name, value in (params.get("proxy_headers") or {}).items() if value}
    if headers:
        import urllib3

        changes["proxy_headers"] = urllib3.util.make_headers(**headers)
    return replace(access, **changes)


def _service_account(environ: Mapping[str, str]) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        context="in-cluster",
        authorization=f"Bearer {_read(_SERVICE_ACCOUNT / 'token', 'the service account').strip()}",
        ca=_read(_SERVICE_ACCOUNT / "ca.crt", "the service account"),
    )


def _require_shape(config: object, what: str) -> None:
    if wrong := mistakes(config):
        raise ClusterError(f"{what} is no kubeconfig: {'; '.join(wrong)}")


def _read_kubeconfig(paths: str, asked_for: bool) -> dict[str, Any]:
    """One kubeconfig or several joined by `:`; of equal names the first applies, as with kubectl."""
    import yaml

    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    found = [file for part in paths.split(os.pathsep) if part and (file := Path(part).expanduser()).is_file()]
    if not found:
        if asked_for or "KUBECONFIG" in os.environ:
            raise ClusterError(
                f"kubeconfig {paths} does not exist: correct `kubeconfig`, K8S_AUTH_KUBECONFIG or KUBECONFIG"
            )
        raise ClusterError(
            f"no way to a cluster: there is no {paths}, and neither `kubeconfig` nor `host` is set; "
            "set one of them, or K8S_AUTH_KUBECONFIG"
        )
    for file in found:
        try:
            config = yaml.safe_load(file.read_text())
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ClusterError(f"kubeconfig {file} cannot be read: {' '.join(str(error).split())}") from error
        _require_shape(config, f"kubeconfig {file}")
        for section in SECTIONS:
            merged[section] += [_absolute(entry, file.parent) for entry in config.get(section) or []]
        if config.get("current-context"):
            merged.setdefault("current-context", config["current-context"])
    return merged


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An entry with absolute file names: those of a kubeconfig are relative to its folder."""

    def resolved(values: Any, names: Sequence[str]) -> Any:
        return {key: str(folder / value) if key in names and value else value for key, value in (values or {}).items()}

    if "cluster" in entry:
        return {**entry, "cluster": resolved(entry["cluster"], ["certificate-authority"])}
    if "user" in entry:
        user = resolved(entry["user"], ["client-certificate", "client-key", "tokenFile"])
        if "/" in (user.get("exec") or {}).get("command", ""):
            user["exec"] = resolved(user["exec"], ["command"])
        return {**entry, "user": user}
    return entry


def _from_kubeconfig(config: dict[str, Any], wanted: str | None) -> Access:
    name = wanted or config.get("current-context")
    if not name:
        raise ClusterError(
            f"the kubeconfig has no current context: set `context` to one of {_names(config, 'contexts')}"
        )
    context = _named(config, "contexts", name, "the kubeconfig")
    cluster = _named(config, "clusters", context.get("cluster"), f"context {name}")
    user = _named(config, "users", context["user"], f"context {name}") if context.get("user") else {}
    if not cluster.get("server"):
        raise ClusterError(f"cluster {context['cluster']} of context {name} names no server in the kubeconfig")
    access = Access(
        server=cluster["server"].rstrip("/"),
        context=name,
        ca=_pem(cluster, "certificate-authority", name),
        verify=not cluster.get("insecure-skip-tls-verify"),
        tls_server_name=cluster.get("tls-server-name", ""),
        proxy=cluster.get("proxy-url", ""),
        impersonate_user=user.get("as", ""),
        impersonate_groups=tuple(user.get("as-groups") or ()),
    )
    if "exec" in user or "auth-provider" in user:
        return _by_library(access, config)
    return replace(
        access,
        authorization=_authorization(user),
        cert=_pem(user, "client-certificate", name),
        key=_pem(user, "client-key", name),
    )


def _authorization(user: Mapping[str, Any]) -> str:
    if user.get("tokenFile") and not user.get("token"):
        return f"Bearer {_read(user['tokenFile'], 'the kubeconfig').strip()}"
    if user.get("token"):
        return f"Bearer {user['token']}"
    if user.get("username") and user.get("password"):
        return _basic(user["username"], user["password"])
    return ""


def _by_library(access: Access, config: dict[str, Any]) -> Access:
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config_from_dict
    except ImportError as error:
        raise ClusterError(
            f"context {access.context} takes its credentials from a program or provider, "
            f"which needs the Python library `kubernetes` where the module runs: {error}"
        ) from error
    answer = Configuration()
    try:
        load_kube_config_from_dict(config, access.context, answer)
    except (ConfigException, OSError, ValueError, KeyError) as error:
        raise ClusterError(f"context {access.context} gives no credentials: {error}") from error
    token = next(iter(answer.api_key.values()), "")
    if not token and not answer.cert_file:
        raise ClusterError(
            f"the credential plugin of context {access.context} gave neither token nor certificate: "
            f"try `{version(access.context)}` to see why"
        )
    cert, key = (_read(file, "the credential plugin") if file else "" for file in (answer.cert_file, answer.key_file))
    return replace(access, authorization=token, cert=cert, key=key)


def _names(config: Mapping[str, Any], section: str) -> str:
    return ", ".join(str(entry.get("name")) for entry in config.get(section) or []) or "none"


def _named(config: Mapping[str, Any], section: str, name: Any, where: str) -> dict[str, Any]:
    kind = section.removesuffix("s")
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise ClusterError(f"{where} has no {kind} {name}; known: {_names(config, section)}")


def _pem(values: Mapping[str, Any], name: str, context: str) -> str:
    data = values.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True).decode()
        except ValueError as error:  # of its letters, its length, or of what it means
            raise ClusterError(
                f"{name}-data of context {context} in the kubeconfig is not base64 text: {error}"
            ) from error
    return _read(values[name], f"{name} of context {context}") if values.get(name) else ""


def _read(file: str | Path, where: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, ValueError) as error:
        raise ClusterError(f"{file}, named by {where}, cannot be read: {error}") from error


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
