# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server over an in-memory store: enough of the protocol for one canary, and faults on demand.

It speaks real HTTP, so that timeouts, broken connections, lost answers and streams are those that clients meet.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

PLURALS = {
    "virtualservices": ("/apis/networking.istio.io/v1", "VirtualService"),
    "destinationrules": ("/apis/networking.istio.io/v1", "DestinationRule"),
    "gateways": ("/apis/networking.istio.io/v1", "Gateway"),
    "services": ("/api/v1", "Service"),
    "pods": ("/api/v1", "Pod"),
    "namespaces": ("/api/v1", "Namespace"),
    "deployments": ("/apis/apps/v1", "Deployment"),
    "events": ("/api/v1", "Event"),
    "serviceentries": ("/apis/networking.istio.io/v1", "ServiceEntry"),
    "mutatingwebhookconfigurations": ("/apis/admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    "validatingwebhookconfigurations": ("/apis/admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
}


REVIEWS = {
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
}


@dataclass(frozen=True)
class Request:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: Any

    @property
    def watches(self) -> bool:
        return self.query.get("watch") == "true"


class Drop(Exception):
    """Break the connection instead of an answer."""


@dataclass(frozen=True)
class Answer:
    """An answer other than the usual one."""

    status: int
    reason: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class ApiServer:
    """The server and its store.

    before, after: called with each request before and after it takes effect. They may return an Answer to give instead,
    raise Drop, or change the store, as other clients do.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.requests: list[Request] = []
        self.before: Callable[[int, Request], Answer | None] = lambda number, request: None
        self.after: Callable[[int, Request], Answer | None] = lambda number, request: None
        self.missing: set[str] = set()  # plurals that are not served
        self.rules: list[Object] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]  # of the account
        self.unlisted: list[Object] = []  # those that only an access review knows, as webhooks make them
        self.reviews: list[Object] = []
        self.page = 500
        self.second = 1.0  # how long a second of a watch lasts
        self.oldest = 0  # the first version from which a watch may begin
        self._version = 100
        self._log: list[tuple[int, str, str, Object]] = []
        self._changed = threading.Condition()
        self._http = _Http(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.stopped = False

    def __enter__(self) -> ApiServer:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped = True
        with self._changed:
            self._changed.notify_all()
        self._http.shutdown()
        self._http.server_close()

    # The store, as tests use it.

    def put(self, plural: str, thing: Object) -> Object:
        """Create or replace."""
        meta = thing["metadata"]
        key = (plural, meta.get("namespace", ""), meta["name"])
        with self._changed:
            event = "MODIFIED" if key in self.objects else "ADDED"
            thing = deepcopy(thing)
            thing["kind"], thing["apiVersion"] = PLURALS[plural][1], PLURALS[plural][0].split("/", 2)[2]
            self._version += 1
            thing["metadata"]["resourceVersion"] = str(self._version)
            thing["metadata"].setdefault("uid", f"uid-{plural}-{meta['name']}")
            self.objects[key] = thing
            self._log.append((self._version, plural, event, thing))
            self._changed.notify_all()
        return thing

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete at once."""
        with self._changed:
            thing = self.objects.pop((plural, namespace, name))
            self._version += 1
            self._log.append((self._version, plural, "DELETED", thing))
            self._changed.notify_all()

    def get(self, plural: str, name: str, namespace: str = "") -> Object:
        """A copy of what is stored."""
        return deepcopy(self.objects[plural, namespace, name])

    def sent(self, method: str = "", plural: str = "") -> list[Request]:
        """The requests of a kind."""
        return [each for each in self.requests if each.method.startswith(method) and f"/{plural}" in each.path]

    # The protocol.

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._serve()

            def do_PATCH(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def log_message(self, *_arguments: Any) -> None:
                """Quiet."""

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                request = Request(self.command, parts.path, query, self.headers, body)
                server.requests.append(request)
                number = len(server.requests)
                if server.stopped:  # a client that has outlived its test would go on asking
                    return self._fail(Answer(403, "Forbidden", "this server has stopped"))
                try:
                    fault = server.before(number, request)
                    if fault:
                        return self._fail(fault)
                    if request.watches:
                        return self._watch(request)
                    status, answer = server.handle(request)
                    fault = server.after(number, request)
                    if fault:
                        return self._fail(fault)
                    self._send(status, answer)
                except Drop:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)

            def _fail(self, fault: Answer) -> None:
                answer = _status(fault.status, fault.reason, fault.message)
                self._send(fault.status, answer if fault.reason else fault.message, fault.headers)

            def _send(self, status: int, answer: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _watch(self, request: Request) -> None:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event, thing in server.events(request):
                    line = json.dumps({"type": event, "object": thing}).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")

        return Handler

    def handle(self, request: Request) -> tuple[int, Any]:
        """The usual answer."""
        plural, namespace, name = self._place(request.path)
        if plural in REVIEWS:
            self.reviews.append(request.body["spec"])
            return 201, {"kind": REVIEWS[plural], "status": self._reviewed(request.body["spec"])}
        if plural not in PLURALS or plural in self.missing:
            return 404, "404 page not found"
        with self._changed:
            if not name:
                return 200, self._list(plural, namespace, request.query)
            thing = self.objects.get((plural, namespace, name))
            if thing is None:
                return 404, _status(404, "NotFound", f'{plural} "{name}" not found')
            if request.method == "GET":
                return 200, deepcopy(thing)
            try:
                new = _patched(thing, request.body)
            except _TestFailed as failure:
                return 422, _status(422, "Invalid", f"the server rejected our request: {failure}")
        if request.query.get("dryRun") != "All":
            new = self.put(plural, new)
        return 200, new

    def _reviewed(self, spec: Object) -> Object:
        """What an account may do by the rules that it has, in every namespace."""
        if "namespace" in spec:
            return {"resourceRules": self.rules, "incomplete": False}
        asked = spec["resourceAttributes"]
        resource = asked["resource"] + (f"/{asked['subresource']}" if asked["subresource"] else "")
        return {
            "allowed": any(
                {asked["verb"], "*"} & set(rule["verbs"])
                and {resource, "*"} & set(rule["resources"])
                and asked["name"] in (rule.get("resourceNames") or [asked["name"]])
                for rule in [*self.rules, *self.unlisted]
            )
        }

    def events(self, request: Request) -> Any:
        """What a watch tells: all that is there unless it asks from a version on, then what comes."""
        plural, namespace, _name = self._place(request.path)
        deadline = time.monotonic() + self.second * float(request.query["timeoutSeconds"])
        with self._changed:
            seen = int(request.query.get("resourceVersion") or self._version)
            if "resourceVersion" in request.query and seen < self.oldest:
                return (yield "ERROR", _status(410, "Expired", f"too old resource version: {seen}"))
            there = [] if "resourceVersion" in request.query else self._list(plural, namespace, request.query)["items"]
        yield from (("ADDED", thing) for thing in there)
        while time.monotonic() < deadline and not self.stopped:
            with self._changed:
                news = [entry for entry in self._log if entry[0] > seen and entry[1] == plural]
                if not news:
                    self._changed.wait(deadline - time.monotonic())
                    continue
            for version, _plural, event, thing in news:
                seen = version
                if _selected(thing, namespace, request.query):
                    yield event, thing

    def _place(self, path: str) -> tuple[str, str, str]:
        parts = path.split("/")
        parts = parts[3:] if parts[1] == "api" else parts[4:]
        if parts[0] == "namespaces" and len(parts) > 2:
            return parts[2], parts[1], parts[3] if len(parts) > 3 else ""
        return parts[0], "", parts[1] if len(parts) > 1 else ""

    def _list(self, plural: str, namespace: str, query: dict[str, str]) -> Object:
        found = [
            thing
            for (kind, _namespace, _name), thing in sorted(self.objects.items())
            if kind == plural and _selected(thing, namespace, query)
        ]
        start = int(query.get("continue") or 0)
        end = start + self.page
        following = {"continue": str(end)} if end < len(found) else {}
        meta = {"resourceVersion": str(self._version), **following}
        return {"kind": f"{PLURALS[plural][1]}List", "metadata": meta, "items": deepcopy(found[start:end])}


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # clients hang up as they please, and when they are killed
            super().handle_error(request, client_address)


class _TestFailed(Exception):
    """A `test` operation that did not hold."""


def _patched(thing: Object, operations: list[Object]) -> Object:
    result = deepcopy(thing)
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = result
        for part in way:
            place = place[int(part) if isinstance(place, list) else part]
        key: Any = last if isinstance(place, dict) or last == "-" else int(last)
        if operation["op"] == "test":
            if place[key] != operation["value"]:
                raise _TestFailed(operation["path"])
        elif operation["op"] == "remove":
            del place[key]
        elif key == "-":
            place.append(operation["value"])
        elif isinstance(place, list) and operation["op"] == "add":
            place.insert(key, operation["value"])
        else:
            place[key] = operation["value"]
    return result


def _selected(thing: Object, namespace: str, query: dict[str, str]) -> bool:
    meta = thing["metadata"]
    wanted = dict(part.split("=") for part in (query.get("labelSelector") or "").split(",") if part)
    name = (query.get("fieldSelector") or "").removeprefix("metadata.name=")
    return (
        namespace in ("", meta.get("namespace", ""))
        and (not name or meta["name"] == name)
        and wanted.items() <= (meta.get("labels") or {}).items()
    )


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
