# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something that answers as Kiali does, or as it should not; and the graph that its API describes, for one canary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import loopback_mesh

SESSION = ("kiali-token-Kubernetes=first", "kiali-token-Kubernetes-1=second")
NOT_FOUND = "404 page not found\n"


@dataclass
class Answer:
    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Kiali:
    """root: below which it is. token: what it wants, if anything. graph: what it shows. broken: another answer."""

    root: str = "/kiali"
    token: str = ""
    graph: Any = field(default_factory=dict)
    broken: Answer | None = None
    asked: list[tuple[str, dict[str, str], Message]] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Message, form: dict[str, str]) -> Answer:
        if self.broken:
            return self.broken
        match method, path.removeprefix(self.root) if path.startswith(self.root) else "elsewhere":
            case "GET", "/api/auth/info":
                return Answer(200, json.dumps({"strategy": "token" if self.token else "anonymous", "sessionInfo": {}}))
            case "POST", "/api/authenticate" if form.get("token") == self.token:
                return Answer(200, json.dumps({"username": "jane", "expiresOn": "later"}), {"session": "begins"})
            case "POST", "/api/authenticate":
                return Answer(401, json.dumps({"error": f"token is not valid or is expired: {form.get('token')}"}))
            case "GET", "/api/namespaces/graph":
                if self.token and headers["Cookie"] != "; ".join(SESSION):
                    return Answer(401, "Unauthorized\n")
                return Answer(200, json.dumps(self.graph))
        return Answer(404, NOT_FOUND)


class Server(loopback_mesh.Server):
    def __init__(self, kiali: Kiali) -> None:
        self.kiali = kiali
        super().__init__(Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(_flat(self.rfile.read(int(self.headers["Content-Length"])).decode()))

    def _serve(self, form: dict[str, str]) -> None:
        url = urlsplit(self.path)
        self.server.kiali.asked.append((url.path, _flat(url.query), self.headers))
        answer = self.server.kiali.answer(self.command, url.path, self.headers, form)
        body = answer.body.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "session" in answer.headers:
            for cookie in SESSION:
                self.send_header("Set-Cookie", f"{cookie}; Path=/kiali; HttpOnly; Secure; SameSite=Strict")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(kiali: Kiali) -> Iterator[Server]:
    running = Server(kiali)
    try:
        yield running
    finally:
        running.stop()


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def node(id_: str, kind: str, namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    fields = {name: value for name, value in fields.items() if value is not None}
    return {"data": {"id": id_, "nodeType": kind, "cluster": "Kubernetes", "namespace": namespace, **fields}}


def edge(source: str, target: str, protocol: str = "http", **fields: Any) -> dict[str, Any]:
    """Fields are rates, and what is no rate of its own."""
    others = {name: fields.pop(name) for name in ("responseTime", "traffic", "isMTLS") if name in fields}
    responses = {"200": {"flags": {"-": "100.0"}, "hosts": {"pong.shop.svc.cluster.local": "100.0"}}}
    traffic = {"protocol": protocol, "rates": fields, "responses": responses}
    return {"data": {"id": f"{source}{target}", "source": source, "target": target, "traffic": traffic, **others}}


def graph(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> dict[str, Any]:
    elements = {"nodes": nodes, "edges": edges}
    return {"timestamp": 1795000000, "duration": 60, "graphType": "versionedApp", "elements": elements}


GATEWAY = node(
    "g", "app", "istio-system", workload="istio-ingressgateway", app="istio-ingressgateway", version="latest"
)
SERVICE = node("s", "service", service="pong")
V1 = node("1", "app", workload="pong-v1", app="pong", version="v1", parent="box")
V2 = node("2", "app", workload="pong-v2", app="pong", version="v2", parent="box")
BOX = node("box", "box", app="pong", isBox="app")

CANARY = graph(
    [BOX, GATEWAY, SERVICE, V1, V2],
    [
        edge("s", "2", http="2.12", http5xx="0.11", httpPercentErr="5.2", httpPercentReq="21.2", responseTime="95"),
        edge("s", "1", http="7.88", httpPercentReq="78.8", responseTime="4"),
        edge("g", "s", http="10.00", http5xx="0.11", httpPercentErr="1.1", httpPercentReq="100.0"),
    ],
)
