# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh on loopback: an API server that lists pods and forwards their ports over WebSocket, and pods that answer."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = bytes | Callable[[str], bytes]  # a body, or what makes one of the whole path

FQDN = "pong.shop.svc.cluster.local"
FRAME = 1000  # bytes of a pod that one frame carries: most answers need several


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # clients hang up as they please
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class PodHandler(BaseHTTPRequestHandler):
    """Answers in chunks, as Envoy does, over a connection that stays open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: PodServer

    def do_GET(self) -> None:
        if self.server.one_by_one:
            self.connection.setblocking(False)
            self.close_connection = bool(self.rfile.peek(1))  # what was asked already
            self.connection.setblocking(True)
        self.server.asked.append(self.path)
        answer = self.server.answers.get(urlsplit(self.path).path)
        body = answer(self.path) if callable(answer) else answer
        self.send_response(200 if body is not None else 404)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (body or b"no such\npath", b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def log_message(self, *_: object) -> None:
        pass


class PodServer(Server):
    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.one_by_one = False  # whether it hangs up on who asks before it has answered
        super().__init__(PodHandler)


@dataclass
class Pod:
    """A pod and what its ports answer."""

    name: str
    namespace: str = "gateways"
    labels: dict[str, str] = field(default_factory=lambda: {"istio": "gateway"})
    role: str = "router"
    ready: bool = True
    deleted: bool = False
    env: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    refusal: tuple[int, str] | None = None  # what the API server says instead of forwarding
    broken: str = ""  # what the kubelet says instead of connecting
    empty_frames: bool = False  # whether frames without a byte come between the others

    def __post_init__(self) -> None:
        self.server = PodServer(self.answers)
        self.links: list[socket.socket] = []  # the open forwards

    def object(self) -> dict[str, Any]:
        return {
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.labels,
                "uid": f"uid of {self.namespace}/{self.name}",
                **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if self.deleted else {}),
            },
            "spec": {
                "containers": [
                    {
                        "name": "istio-proxy",
                        "args": ["proxy", self.role, "--domain"],
                        "env": [{"name": name, "value": value} for name, value in self.env.items()],
                    }
                ]
            },
            "status": {"conditions": [{"type": "Ready", "status": str(self.ready)}]},
        }


class ApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Mesh

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.removeprefix(self.server.prefix).strip("/").split("/")
        self.server.requests.append((url.path, self.headers))
        if parts[-1] == "portforward":
            self.forward(self.server.pod(parts[3], parts[5]), int(query["ports"]))
        elif parts[-1] == "pods" and self.server.fails:
            self.refuse(403, "pods is forbidden")
        elif parts[-1] == "pods":
            namespace = parts[3] if "namespaces" in parts else None
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
            self.answer(
                200,
                {
                    "kind": "PodList",
                    "metadata": {},
                    "items": [
                        pod.object()
                        for pod in self.server.pods
                        if wanted.items() <= pod.labels.items() and namespace in (None, pod.namespace)
                    ],
                },
            )
        elif parts[-1] == "sidecars" and self.server.sidecars is not None:
            self.answer(200, {"kind": "SidecarList", "metadata": {}, "items": self.server.sidecars})
        elif parts[-1] == "sidecars":
            self.refuse(403, "sidecars is forbidden")
        elif parts[-2] == "gateways" and parts[-1] in self.server.gateways:
            spec = {"selector": self.server.gateways[parts[-1]], "servers": [{"port": {"number": 80}, "hosts": ["*"]}]}
            self.answer(200, {"kind": "Gateway", "metadata": {"namespace": parts[-3], "name": parts[-1]}, "spec": spec})
        elif parts[-2] == "services" and parts[-1] in self.server.services:
            spec = self.server.services[parts[-1]]
            self.answer(200, {"kind": "Service", "metadata": {"namespace": parts[-3], "name": parts[-1]}, "spec": spec})
        else:
            self.refuse(404, f'{parts[-2]} "{parts[-1]}" not found')

    def refuse(self, status: int, message: str) -> None:
        reason = {403: "Forbidden", 404: "NotFound"}.get(status, "")
        self.answer(status, {"kind": "Status", "message": message, "reason": reason})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        self.reply(status, json.dumps(body).encode())

    def reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Location", f"ws://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def forward(self, pod: Pod | None, port: int) -> None:
        if pod is None:
            return self.refuse(404, "pod not found")
        if pod.refusal:
            return self.refuse(*pod.refusal)
        time.sleep(self.server.delay)
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"])
        self.end_headers()
        for channel in (0, 1):
            self.send_frame(channel, struct.pack("<H", port))
            if pod.empty_frames:
                self.wfile.write(b"\x82\x00")
        self.close_connection = True
        if pod.broken:
            return self.send_frame(1, pod.broken.encode())
        with socket.create_connection(pod.server.server_address[:2]) as link:
            pod.links.append(self.connection)
            threading.Thread(target=self.carry_back, args=(link,), daemon=True).start()
            with suppress(OSError, struct.error):
                while (frame := self.receive_frame())[0] == 0:
                    link.sendall(frame[1:])
        return None

    def carry_back(self, link: socket.socket) -> None:
        with suppress(OSError):
            while data := link.recv(FRAME):
                self.send_frame(0, data)
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_frame(self, channel: int, data: bytes) -> None:
        payload = bytes([channel]) + data
        length = struct.pack("!BH", 126, len(payload)) if len(payload) > 125 else bytes([len(payload)])
        self.wfile.write(b"\x82" + length + payload)

    def receive_frame(self) -> bytes:
        _opcode, length = struct.unpack("!BB", self.rfile.read(2))
        length &= 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(length)))

    def log_message(self, *_: object) -> None:
        pass


class Mesh(Server):
    """gateways: selectors by name. services: specs by name. sidecars: the resources of that kind, None where they may
    not be read. requests: path and headers of all that was asked.

    prefix: before each path. delay: seconds until a port is forwarded. fails: whether lists of pods do.
    """

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.gateways: dict[str, dict[str, str]] = {"gateway": {"istio": "gateway"}}
        self.services: dict[str, dict[str, Any]] = {}
        self.sidecars: list[dict[str, Any]] | None = []
        self.requests: list[tuple[str, Any]] = []
        self.prefix = ""
        self.delay = 0.0
        self.fails = False
        super().__init__(ApiHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.prefix}"

    def add(self, pod: Pod) -> Pod:
        self.pods.append(pod)
        return pod

    def pod(self, namespace: str, name: str) -> Pod | None:
        return next((pod for pod in self.pods if (pod.namespace, pod.name) == (namespace, name)), None)

    def asked(self, ending: str) -> int:
        return sum(path.endswith(ending) for path, _headers in self.requests)

    def cut(self) -> None:
        """Close all forwards, as a load balancer does with what is idle."""
        for pod in self.pods:
            while pod.links:
                with suppress(OSError):  # the client has closed that one by itself
                    pod.links.pop().shutdown(socket.SHUT_RDWR)


class Envoy(Pod):
    """A pod whose Envoy splits requests, or has no route at all."""

    def __init__(self, name: str, *split: int, hosts: int = 1, **fields: Any) -> None:
        super().__init__(name, **fields)
        self.split = split
        self.subsets = ["v1", "v2"]
        self.hosts = hosts  # of each subset
        self.server.answers |= {"/config_dump": self.routes, "/clusters": self.clusters, "/stats": b"1"}

    def routes(self, _query: str) -> bytes:
        clusters = [
            {"name": f"outbound|80|{name}|{FQDN}", "weight": weight}
            for name, weight in zip(("v1", "v2"), self.split, strict=False)
            if weight
        ]
        config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/pong"
        route = {
            "name": "primary",
            "route": {"weighted_clusters": {"clusters": clusters}},
            "metadata": {"filter_metadata": {"istio": {"config": config}}},
        }
        hosts = [{"routes": [route] if clusters else []}]
        return json.dumps({"configs": [{"route_config": {"name": "http.80", "virtual_hosts": hosts}}]}).encode()

    def clusters(self, _query: str) -> bytes:
        return json.dumps(
            {
                "cluster_statuses": [
                    {"name": f"outbound|80|{name}|{FQDN}", "host_statuses": [{"health_status": {}}] * self.hosts}
                    for name in self.subsets
                ]
            }
        ).encode()


def sidecar(name: str, *split: int, namespace: str = "shop", workload: str = "", **labels: str) -> Envoy:
    """workload: what the pod belongs to, as injection writes it down."""
    labels = {"security.istio.io/tlsMode": "istio", **labels}
    env = {"ISTIO_META_WORKLOAD_NAME": workload} if workload else {}
    return Envoy(name, *split, namespace=namespace, role="sidecar", labels=labels, env=env)


def istiod(mesh: Mesh, error: str = "", **env: str) -> None:
    resources = {"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"lastError": error}}
    answer = json.dumps([{"proxy": "one.gateways", "resources": resources}]).encode()
    mesh.add(Pod("istiod", "istio-system", {"app": "istiod"}, env=env, answers={"/debug/syncz": answer}))


@contextmanager
def running(mesh: Mesh | None = None) -> Iterator[Any]:
    mesh = mesh or Mesh()
    try:
        yield mesh
    finally:
        for pod in mesh.pods:
            pod.server.stop()
        mesh.stop()
