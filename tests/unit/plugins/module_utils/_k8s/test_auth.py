# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the API server is found, and as whom it is asked."""

from __future__ import annotations

import base64
import copy
import json
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.progressive.istio.plugins.module_utils._k8s import auth
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import (
    AUTH_ARGUMENTS,
    ClusterError,
    load,
)

CONFIG: dict[str, Any] = {
    "current-context": "prod",
    "clusters": [
        {"name": "one", "cluster": {"server": "https://one:6443/", "certificate-authority-data": "Q0E="}},
        {"name": "two", "cluster": {"server": "https://two", "insecure-skip-tls-verify": True, "tls-server-name": "x"}},
        {"name": "none", "cluster": {}},
    ],
    "users": [
        {"name": "jane", "user": {"token": "t0k3n", "as": "root", "as-groups": ["ops"]}},
        {"name": "joe", "user": {"username": "joe", "password": "pw"}},
        {"name": "cert", "user": {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"}},
        {"name": "half", "user": {"client-certificate-data": "Q0VSVA=="}},
        {"name": "broken", "user": {"client-certificate-data": "%%%"}},
    ],
    "contexts": [
        {"name": "prod", "context": {"cluster": "one", "user": "jane"}},
        {"name": "basic", "context": {"cluster": "one", "user": "joe"}},
        {"name": "cert", "context": {"cluster": "one", "user": "cert"}},
        {"name": "half", "context": {"cluster": "one", "user": "half"}},
        {"name": "broken", "context": {"cluster": "one", "user": "broken"}},
        {"name": "test", "context": {"cluster": "two"}},
        {"name": "nowhere", "context": {"cluster": "three"}},
        {"name": "nobody", "context": {"cluster": "one", "user": "nobody"}},
        {"name": "serverless", "context": {"cluster": "none"}},
    ],
}

CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUfG0ZQ3btr8YBxcguUYFaplo38xowCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjcyMzA2MDNaGA8yMTI2MTEwMzIzMDYwM1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOM3cvjri7YG
vUjCVjlvZxa/sbJxr0rR+QRzEU8slSEXFGp1ArkFDt8SXEsG3ymfeQ5d0/2M/rpx
21ilRRdKG7qjUzBRMB0GA1UdDgQWBBQ7C2TSEwnSRnSb6h8XBo3sx5DXMjAfBgNV
HSMEGDAWgBQ7C2TSEwnSRnSb6h8XBo3sx5DXMjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQCHxlexWCTNYbhLgmJzJLreDx/tKX4K1UlcE3yQX8Y9
rgIgNEEgSevImxFnN1+fKYhBmuURdRi/prL5IGWvDu2HksI=
-----END CERTIFICATE-----
"""
# Its password is "secret", and it belongs to that certificate.
ENCRYPTED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAiLkj/S0N/xoQICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIZUh42fg4smYEgZBc4DpbfHq81i+Z
cWUP1SnQ0Q+JqN0kqFmF48YH1mTz4v6wH6XqfU+NptdJC53WLKQcV4P4IxjQ1kXD
zaadgH9lBeFKKLN7yxeQwIjVfpQqUZwTg4YUl81jqhvX4H3sMh/z5PinJcqyGvNK
IfI9UdDMN/gSK5pPZIqVBCiSRKP1A5RROb2y6XnBYzn/vxhlgV4=
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig, no pod."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def written(path: Path, config: Any = None) -> str:
    """A kubeconfig on disk."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(CONFIG if config is None else config))
    return str(path)


def test_the_current_context_is_used() -> None:
    access = load({"kubeconfig": CONFIG})
    assert (access.server, access.context, access.ca, access.verify) == ("https://one:6443", "prod", "CA", True)
    assert access.headers() == [
        ("Authorization", "Bearer t0k3n"),
        ("Impersonate-User", "root"),
        ("Impersonate-Group", "ops"),
    ]


def test_a_named_context_is_used() -> None:
    access = load({"kubeconfig": CONFIG, "context": "test"})
    assert (access.server, access.verify, access.tls_server_name) == ("https://two", False, "x")
    assert access.headers() == []


def test_certificates_and_passwords_are_read() -> None:
    assert load({"kubeconfig": CONFIG, "context": "basic"}).authorization == "Basic " + _base64("joe:pw")
    access = load({"kubeconfig": CONFIG, "context": "cert"})
    assert (access.cert, access.key) == ("CERT", "KEY")


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["clusters"][0]["cluster"] = {"server": "https://one", "certificate-authority": "ca.pem"}
    config["users"][0]["user"] = {"tokenFile": "token", "client-certificate": "c.pem", "client-key": "k.pem"}
    path = written(tmp_path / "kube" / "config", config)
    for name in ("ca.pem", "token", "c.pem", "k.pem"):
        (tmp_path / "kube" / name).write_text(f"{name}\n")
    access = load({"kubeconfig": path})
    assert (access.ca, access.authorization, access.cert) == ("ca.pem\n", "Bearer token", "c.pem\n")


def test_of_several_kubeconfigs_the_first_to_name_something_wins(tmp_path: Path) -> None:
    first = {"contexts": [{"name": "mine", "context": {"cluster": "one"}}], "current-context": "mine"}
    paths = ":".join([written(tmp_path / "a", first), str(tmp_path / "missing"), written(tmp_path / "b")])
    assert load({"kubeconfig": paths}).context == "mine"
    assert load({"kubeconfig": paths, "context": "test"}).server == "https://two"


def test_without_options_the_environment_is_asked_then_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(tmp_path / ".kube" / "config")
    assert load({}).context == "prod"
    other = {**CONFIG, "current-context": "test"}
    monkeypatch.setenv("KUBECONFIG", written(tmp_path / "other", other))
    assert load({}).context == "test"


def test_in_a_pod_its_service_account_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "ca.crt").write_text("POD CA")
    monkeypatch.setattr(auth, "_SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = load({})
    assert (access.server, access.context, access.ca) == ("https://[fd00::1]:443", "in-cluster", "POD CA")
    assert access.authorization == "Bearer pod-token"
    assert load({"kubeconfig": CONFIG}).context == "prod"


def test_options_need_no_kubeconfig() -> None:
    access = load({"host": "https://api/", "api_key": "key", "validate_certs": False})
    assert (access.server, access.context, access.authorization, access.verify) == (
        "https://api",
        "https://api/",
        "Bearer key",
        False,
    )


def test_options_go_before_the_kubeconfig(tmp_path: Path) -> None:
    options = {"host": "https://else", "api_key": "key", "ca_cert": written(tmp_path / "ca", "MINE")}
    access = load({"kubeconfig": CONFIG, "context": "test", "validate_certs": True} | options)
    assert (access.server, access.authorization, access.ca, access.verify) == (
        "https://else",
        "Bearer key",
        "MINE",
        True,
    )


@pytest.mark.parametrize(
    ("no_proxy", "proxy"),
    [(None, "http://proxy:3128"), ("other,10.0.0.0/8", "http://proxy:3128"), ("one", ""), ("*", "")],
)
def test_a_proxy_is_used_unless_the_host_is_excepted(no_proxy: str | None, proxy: str) -> None:
    headers = {"proxy_basic_auth": "me:pw", "basic_auth": None, "user_agent": None}
    options = {"proxy": "http://proxy:3128", "no_proxy": no_proxy, "proxy_headers": headers}
    access = load({"kubeconfig": CONFIG} | options)
    assert access.proxy == proxy
    assert access.proxy_headers == {"proxy-authorization": "Basic " + _base64("me:pw")}


def test_the_proxy_of_the_environment_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert load({"kubeconfig": CONFIG}).proxy == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "one")
    assert load({"kubeconfig": CONFIG}).proxy == ""
    assert load({"kubeconfig": CONFIG, "context": "test"}).proxy == "http://proxy:3128"


def with_cluster(**changes: Any) -> dict[str, Any]:
    """The kubeconfig with other values in the cluster of its current context."""
    config = copy.deepcopy(CONFIG)
    config["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in changes.items()}
    return config


def test_an_encrypted_key_is_refused_and_its_password_not_asked_for_at_the_terminal() -> None:
    access = load({"kubeconfig": CONFIG, "context": "cert"})
    with pytest.raises(ssl.SSLError):
        replace(access, ca="", cert=CERTIFICATE, key=ENCRYPTED_KEY).tls()


def test_a_program_gives_the_credentials(tmp_path: Path) -> None:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "fresh"}}
    script = tmp_path / "login"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    script.chmod(0o755)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never"}
    config = {**copy.deepcopy(CONFIG), "users": [{"name": "jane", "user": {"exec": plugin}}]}
    assert load({"kubeconfig": written(tmp_path / "config", config)}).authorization == "Bearer fresh"


def test_a_program_that_gives_nothing_is_told(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false", "interactiveMode": "Never"}
    config = {**copy.deepcopy(CONFIG), "users": [{"name": "jane", "user": {"exec": plugin}}]}
    with pytest.raises(ClusterError, match="the credential plugin of context prod gave neither token nor certificate"):
        load({"kubeconfig": written(tmp_path / "config", config)})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "no way to a cluster: there is no ~/.kube/config"),
        ({"kubeconfig": "/nowhere/config"}, "kubeconfig /nowhere/config does not exist"),
        ({"kubeconfig": CONFIG, "context": "nah"}, "the kubeconfig has no context nah; known: prod, basic"),
        ({"kubeconfig": CONFIG, "context": "nowhere"}, "context nowhere has no cluster three; known: one, two"),
        ({"kubeconfig": CONFIG, "context": "nobody"}, "context nobody has no user nobody; known: jane"),
        ({"kubeconfig": CONFIG, "context": "serverless"}, "cluster none of context serverless names no server"),
        ({"kubeconfig": CONFIG, "context": "half"}, "a client certificate is given for https://one:6443, but no"),
        ({"kubeconfig": CONFIG, "context": "broken"}, "client-certificate-data of context broken .* is not base64"),
        ({"kubeconfig": {"contexts": []}}, "the kubeconfig has no current context: set `context` to one of none"),
        ({"kubeconfig": CONFIG, "ca_cert": "/nowhere"}, "/nowhere, named by option `ca_cert`, cannot be read"),
        ({"kubeconfig": {"clusters": [None]}}, r"that is given is no kubeconfig: clusters\[0\] must be a mapping"),
        ({"kubeconfig": 5}, "kubeconfig is 5: it must be a path or a mapping"),
        ({"kubeconfig": with_cluster(server="one:6443")}, "the server of context prod is 'one:6443': it must be a URL"),
        ({"kubeconfig": with_cluster(server="https://one:99999")}, "the server of context prod is"),
        (
            {"kubeconfig": with_cluster(proxy_url="socks5://me:pw@bastion:1080")},
            "the proxy for https://one:6443 is 'socks5://bastion:1080': it must be a URL such as http://HOST:PORT",
        ),
        ({"host": "https://a", "api_key": "a\nb"}, "the header Authorization would hold characters that HTTP cannot"),
        ({"kubeconfig": CONFIG, "impersonate_user": "j\u00f6\u2192"}, "the header Impersonate-User would hold"),
    ],
)
def test_what_is_wrong_is_said(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterError, match=message) as caught:
        load(params)
    assert caught.value.mistakes == [str(caught.value)]


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n- list", "is no kubeconfig"), ("a: [1", "cannot be read: while parsing")]
)
def test_a_file_that_is_no_kubeconfig_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        load({"kubeconfig": written(tmp_path / "config", text)})


def test_a_client_key_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    contexts = [{"name": "mtls", "context": {"cluster": "two", "user": "cert"}}]
    access = load({"kubeconfig": CONFIG | {"contexts": contexts}, "context": "mtls"})
    with pytest.raises(ssl.SSLError):
        access.tls()  # what it got is no certificate
    assert list(tmp_path.iterdir()) == []


def test_every_option_has_its_variable() -> None:
    for name, option in AUTH_ARGUMENTS.items():
        for place in option.get("options", {"": option}).values():
            assert place["fallback"][0] is env_fallback, name


def test_variables_stand_in_for_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://env")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_GROUPS", "a,b")
    params = ArgumentSpecValidator(AUTH_ARGUMENTS).validate({"api_key": "key"}).validated_parameters
    access = load(params)
    assert (access.server, access.verify, access.impersonate_groups) == ("https://env", False, ("a", "b"))


def test_secrets_are_not_printed() -> None:
    access = load({"kubeconfig": CONFIG | {"current-context": "cert"}, "api_key": "t0k3n"})
    assert all(secret not in repr(access) for secret in ("t0k3n", "CERT", "KEY"))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
