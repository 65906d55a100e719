# SPDX-License-Identifier: GPL-3.0-or-later
"""All requests to the API server: known paths instead of discovery, with timeouts and bounded retries."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from .._common.http_client import HEADERS, brief, distrusts, pool, transport_errors
from .._common.text import excerpt
from .._common.values import from_json, show
from .auth import Access, ClusterError, load

Object = dict[str, Any]
Objects = list[Object]  # `list` is a method below

CONNECT_TIMEOUT = 4.0
READ_TIMEOUT = 15.0
PATIENCE = 3.0  # seconds for retries of a temporary failure
PAUSES = (0.1, 0.2, 0.4, 0.8)  # seconds between retries; the last one repeats
PAGE = 500
PASSING = frozenset({429, 500, 502, 503, 504})
SAME_TIME = timedelta(seconds=2)  # a smaller difference of clocks is ignored


@dataclass(frozen=True)
class Kind:
    """A kind of object and its path in the API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str | None = None) -> str:
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/" + "/".join(parts)


_ISTIO, _ADMISSION, _AUTHORIZATION = "networking.istio.io", "admissionregistration.k8s.io", "authorization.k8s.io"
VIRTUAL_SERVICE = Kind(_ISTIO, "v1", "virtualservices", "VirtualService")
DESTINATION_RULE = Kind(_ISTIO, "v1", "destinationrules", "DestinationRule")
GATEWAY = Kind(_ISTIO, "v1", "gateways", "Gateway")
SIDECAR = Kind(_ISTIO, "v1", "sidecars", "Sidecar")
SERVICE_ENTRY = Kind(_ISTIO, "v1", "serviceentries", "ServiceEntry")
SERVICE = Kind("", "v1", "services", "Service")
POD = Kind("", "v1", "pods", "Pod")
EVENT = Kind("", "v1", "events", "Event")
NODE = Kind("", "v1", "nodes", "Node", namespaced=False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet")
DAEMON_SET = Kind("apps", "v1", "daemonsets", "DaemonSet")
RULES_REVIEW = Kind(_AUTHORIZATION, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False)
ACCESS_REVIEW = Kind(_AUTHORIZATION, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False)
MUTATING_WEBHOOK, VALIDATING_WEBHOOK = (
    Kind(_ADMISSION, "v1", f"{one.lower()}s", one, namespaced=False)
    for one in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)


class Cluster:
    """One API server, over kept-alive connections. `requests` counts them. Every failure is a ClusterError."""

    CONNECTIONS = 4  # at most are kept

    def __init__(self, authenticate: Callable[[], Access], patience: float = PATIENCE) -> None:
        self._authenticate = authenticate
        self._patience = patience
        self.requests = 0
        self._zero: datetime | None = None  # the server's time when this process's monotonic clock was at 0
        self._log_in()

    def _log_in(self) -> None:
        self.access = self._authenticate()
        self._pool = _pool(self.access, self.CONNECTIONS)
        self._headers = _headers(self.access)

    @property
    def context(self) -> str:
        """The context of the kubeconfig, or the URL without one."""
        return self.access.context

    @property
    def server(self) -> str:
        return self.access.server

    def facts(self) -> dict[str, Any]:
        """The access, as part of a module's result."""
        return {"context": self.context, "server": self.server, "api_requests": self.requests}

    def now(self) -> datetime:
        """The time by the clock of the API server, so that all controllers agree."""
        local = datetime.now(UTC)
        remote = self._zero + timedelta(seconds=time.monotonic()) if self._zero else local
        return remote if abs(remote - local) > SAME_TIME else local

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None if it does not exist."""
        try:
            return self._object("GET", kind, name, namespace)
        except ClusterError as error:
            if error.status == 404 and error.reason == "NotFound":
                return None
            raise

    def list(self, kind: Kind, namespace: str | None = None, labels: str = "") -> Objects:
        """All objects of a kind, of one namespace or of all, that match the label selector."""
        return self.list_versioned(kind, namespace, labels)[0]

    def some(self, kind: Kind, most: int, labels: str = "") -> tuple[Objects, bool]:
        """At most `most` objects of all namespaces, and whether there are more."""
        page = self._object("GET", kind, None, None, {"limit": str(most), "labelSelector": labels})
        return page["items"], bool(page["metadata"].get("continue"))

    def list_versioned(self, kind: Kind, namespace: str | None = None, labels: str = "") -> tuple[Objects, str]:
        """The objects as `list` has them, and the resourceVersion from which a watch continues."""
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        found: Objects = []
        while True:
            page = self._object("GET", kind, None, namespace, query)
            found += page.get("items") or []  # some servers write null for an empty list
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return found, (page.get("metadata") or {}).get("resourceVersion", "")
            query["continue"] = following

    def patch(self, kind: Kind, name: str, namespace: str | None, operations: Objects, dry_run: bool = False) -> Object:
        """Apply a JSON patch, all or nothing, and return the new object."""
        query = {"fieldManager": "progressive.istio"} | ({"dryRun": "All"} if dry_run else {})
        return self._object("PATCH", kind, name, namespace, query, operations)

    def release(self) -> str:
        """The version of the API server, such as v1.34.1."""
        return str(
            decoded(self._send("GET", "/version", "GET version", {}, None, READ_TIMEOUT).data).get("gitVersion", "")
        )

    def review(self, kind: Kind, spec: Mapping[str, Any]) -> Object:
        """The status of a review about the account, which is not stored."""
        question = {"apiVersion": f"{kind.group}/{kind.version}", "kind": kind.kind, "spec": spec}
        answer: Object = self._object("POST", kind, None, None, None, question).get("status") or {}
        return answer

    def watch(
        self, kind: Kind, namespace: str, seconds: float, *, name: str = "", labels: str = "", since: str = ""
    ) -> Watch:
        """Each change of the selected objects, as (type, object), until the API server ends it.

        Without `since`, a resourceVersion, it begins with all existing objects.
        """
        query = {"watch": "true", "timeoutSeconds": str(max(1, round(seconds)))}
        if name:
            query["fieldSelector"] = f"metadata.name={name}"
        if labels:
            query["labelSelector"] = labels
        if since:
            query["resourceVersion"] = since
        what = f"WATCH {kind.kind} {namespace}"
        response = self._send("GET", kind.path(namespace), what, query, None, seconds + READ_TIMEOUT)
        return Watch(f"{what} in {self.where}", response)

    def _object(
        self,
        method: str,
        kind: Kind,
        name: str | None,
        namespace: str | None,
        query: Mapping[str, str] | None = None,
        body: Objects | Object | None = None,
    ) -> Object:
        if name is not None and not _is_segment(name):
            raise ClusterError(f"no {kind.kind} can have the name {show(name)}: correct it")
        if namespace and not _is_segment(namespace):
            raise ClusterError(f"no namespace can have the name {show(namespace)}: correct it")
        place = "/".join(part for part in (namespace if kind.namespaced else None, name) if part)
        what = f"{method} {kind.kind} {place}".rstrip()
        response = self._send(method, kind.path(namespace, name), what, query or {}, body, READ_TIMEOUT)
        answer = decoded(response.data)
        if not (_is_object(answer) if name else _is_list(answer)):
            raise ClusterError(f"{what}: {self.where} did not answer with a Kubernetes object; is it an API server?")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        what: str,
        query: Mapping[str, str],
        body: Objects | Object | None,
        read_timeout: float,
    ) -> Any:
        """Send, and retry temporary failures until patience is over."""
        import urllib3

        url = f"{self.access.server}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        pauses = iter(PAUSES)
        pause = 0.0
        deadline = time.monotonic() + self._patience
        logged_in_again = False
        while True:
            self._count()
            try:
                response = self._pool.request(
                    method,
                    url,
                    body=content,
                    headers=self._headers if body is None else _with_content_type(self._headers, method),
                    timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
                    retries=False,
                    preload_content="watch" not in query,
                )
            except transport_errors() as error:
                failure = self._unreachable(error)
                passing = not distrusts(error)
            else:
                self._set_clock(response.headers.get("Date"))
                if response.status < 300:
                    return response
                failure = self._refused(what, response.status, response.data)
                passing = response.status in PASSING
                if response.status == 401 and not logged_in_again:  # short-lived tokens expire during a soak
                    logged_in_again = True
                    self._log_in()
                    continue
            pause = next(pauses, pause)
            if not passing or time.monotonic() + pause > deadline:
                raise failure
            time.sleep(pause)

    def _set_clock(self, date: str | None) -> None:
        sent = _moment(date)
        if sent:  # it has no fractions of a second
            zero = sent + timedelta(seconds=0.5) - timedelta(seconds=time.monotonic())
            self._zero = max(self._zero or zero, zero)  # an answer that is read late seems to be of an earlier time

    def _count(self) -> None:
        self.requests += 1

    @property
    def where(self) -> str:
        """The cluster, for messages."""
        context, server = self.context, self.access.server
        return server if context == server else f"context {context} ({server})"

    def _unreachable(self, error: Exception) -> ClusterError:
        hint = "is the cluster up, and is this the right `kubeconfig` and `context`?"
        if distrusts(error):
            hint = "is `ca_cert` the authority that signed its certificate, and does it know `client_cert`?"
        return ClusterError(f"the API server of {self.where} cannot be reached: {brief(error)}; {hint}")

    def _refused(self, what: str, status: int, data: bytes) -> ClusterError:
        answer = decoded(data)
        if answer.get("kind") != "Status":
            if status == 404:
                return self._not_served(what)
            answer = {"message": excerpt(data.decode(errors="replace")) or "no reason given"}
        reason = answer.get("reason", "")
        code = f"{status} {reason}".rstrip()
        message = f"{what} in {self.where} was refused: {answer.get('message', reason)} ({code})"
        if status == 401:
            message += "; the credentials are wrong or have expired: log in again"
        return ClusterError(message, status, reason)

    def _not_served(self, what: str) -> ClusterError:
        kind = what.split()[1]
        istio = kind in (VIRTUAL_SERVICE.kind, DESTINATION_RULE.kind, GATEWAY.kind)
        hint = "is Istio (1.22 or newer) installed?" if istio else "is this a Kubernetes API server?"
        return ClusterError(f"{self.where} serves no {kind}: {hint}", 404, "NotServed")


class Watch:
    """An open watch, for one iteration by one thread; `close` ends it from any thread."""

    def __init__(self, what: str, response: Any) -> None:
        self._what = what
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        broken: tuple[type[Exception], ...] = (*transport_errors(), ValueError)  # it may end within a line
        try:
            for line in self._response:
                if line.strip():
                    event = from_json(line)
                    if event["type"] == "ERROR":  # `since` is too old: the caller lists again
                        return
                    yield event["type"], event["object"]
        except broken as error:
            if not self._closed:
                raise ClusterError(f"{self._what} broke off: {brief(error)}") from error
        finally:
            self._response.close()

    def close(self) -> None:
        """End the watch, also for a thread that waits for the next change."""
        self._closed = True
        link = getattr(self._response.connection, "sock", None)  # None after the end of the answer
        if link is not None:
            with suppress(OSError):  # it may be closed already
                # Below TLS, which is not safe for two threads.
                socket.socket.shutdown(getattr(link, "socket", link), socket.SHUT_RDWR)


def connect(params: Mapping[str, Any], kind: type[Cluster] = Cluster) -> Cluster:
    """The cluster of the module options, the environment or the kubeconfig."""
    try:
        return kind(lambda: load(params))
    except ImportError as error:
        raise ClusterError(
            f"the Python library `kubernetes` is missing where the module runs ({error}): "
            "install it there, for example `pip install kubernetes`"
        ) from error


def _pool(access: Access, connections: int = 4) -> Any:
    try:
        context = access.tls() if access.server.startswith("https") else None
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ClusterError(f"the certificates for {access.server} are not valid PEM: {error}") from error
    options: dict[str, Any] = {"maxsize": connections}
    if context and access.tls_server_name:
        options |= {"server_hostname": access.tls_server_name, "assert_hostname": access.tls_server_name}
    if access.proxy:
        options["proxy_headers"] = dict(access.proxy_headers)
    return pool(context, access.proxy, **options)


def _headers(access: Access) -> Any:
    from urllib3._collections import HTTPHeaderDict  # for several headers of one name, as groups need

    headers = HTTPHeaderDict(HEADERS)
    for name, value in access.headers():
        headers.add(name, value)
    return headers


def _with_content_type(headers: Any, method: str) -> Any:
    headers = headers.copy()
    headers["Content-Type"] = "application/json-patch+json" if method == "PATCH" else "application/json"
    return headers


def _is_object(answer: object) -> bool:
    """Whether it is an object with a name."""
    metadata = answer.get("metadata") if isinstance(answer, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def _is_list(answer: Object) -> bool:
    """Whether it is a list of objects; some servers write null for an empty one."""
    items, metadata = answer.get("items") or [], answer.get("metadata") or {}
    return "kind" in answer and isinstance(metadata, dict) and isinstance(items, list) and all(map(_is_object, items))


def _is_segment(name: str) -> bool:
    """Whether a name is valid in a path, by the rule of the API server."""
    return name not in ("", ".", "..") and not {"/", "%"} & set(name)


def _moment(date: str | None) -> datetime | None:
    """Parse a Date header; None if it is invalid, as one of a proxy may be."""
    try:
        moment = parsedate_to_datetime(date) if date else None
        return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
    except (ValueError, TypeError, OverflowError):
        return None


def decoded(data: bytes | None) -> Object:
    """The JSON object in a body; an empty one for anything else."""
    try:
        answer = from_json(data or b"")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
