# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh whose gateway and sidecars take up what is written to the API server, or do not; it counts its requests."""

from __future__ import annotations

import json
from collections import Counter
from http.client import HTTPConnection
from urllib.parse import urlsplit

from api_server import ApiServer
from loopback_mesh import FQDN, ApiHandler, Envoy, Mesh
from pong_mesh import HOST, weights_of

LABELS = 'reporter="source",destination_service="{}",destination_version="{}",response_code="{}",response_flags="{}"'


class Istio(Mesh):
    """holds: whether its gateway gets what is written.

    traffic: how many requests the gateway answers between two looks at its counters, by version and code. A version
    without a weight gets none.
    """

    def __init__(self, api: ApiServer) -> None:
        super().__init__()
        self.RequestHandlerClass = Handler
        self.api = api
        self.holds = False
        self.writes = 0
        self.traffic: dict[tuple[str, int], int] = {}
        self.counted: Counter[tuple[str, int]] = Counter()
        self.gateway = Envoy("one", 100, 0)
        self.gateway.server.answers |= {"/stats/prometheus": self.count, "/clusters": self.clusters}
        self.add(self.gateway)

    def push(self) -> None:
        """What istiod does after each write, and once it is back."""
        if not self.holds:
            for pod in self.pods:
                if isinstance(pod, Envoy) and (pod is self.gateway or pod.role == "sidecar"):
                    pod.split = tuple(weights_of(self.api).get(name, 0) for name in ("v1", "v2"))

    def count(self, _path: str) -> bytes:
        served = dict(zip(("v1", "v2"), self.gateway.split, strict=True))
        self.counted.update({key: count for key, count in self.traffic.items() if served.get(key[0], 1)})
        lines = [
            f"envoy_istio_requests_total{{{LABELS.format(HOST, version, code, '-' if version else 'UH')}}} {count}"
            for (version, code), count in self.counted.items()
        ]
        return "\n".join([*lines, ""]).encode()

    def clusters(self, _path: str) -> bytes:
        """As many endpoints of each subset as the gateway has hosts; the first one has answered everything."""
        return json.dumps(
            {
                "cluster_statuses": [
                    {"name": f"outbound|80|{name}|{FQDN}", "host_statuses": self.hosts(name)}
                    for name in self.gateway.subsets
                ]
            }
        ).encode()

    def hosts(self, version: str) -> list[dict[str, object]]:
        ended = {False: 0, True: 0}
        for (name, code), count in self.counted.items():
            ended[code >= 500] += count if name == version else 0
        values = {"rq_total": sum(ended.values()), "rq_success": ended[False], "rq_error": ended[True]}
        stats = [{"name": name, **({"value": str(value)} if value else {})} for name, value in values.items()]
        return [
            {"address": {"socket_address": {"address": f"10.0.0.{number}"}}, "stats": stats if not number else []}
            for number in range(self.gateway.hosts)
        ]


class Handler(ApiHandler):
    """The mesh's own answers for its gateways, and those of the API server for all else."""

    server: Istio

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.endswith(("/portforward", "/sidecars")) or "/gateways/" in path or path == "/api/v1/pods":
            super().do_GET()
        else:
            self.pass_on()

    def do_PATCH(self) -> None:
        self.server.writes += 1
        self.pass_on()
        self.server.push()

    def do_POST(self) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        api = HTTPConnection(urlsplit(self.server.api.url).netloc)
        api.request(self.command, self.path, body or None)
        answer = api.getresponse()
        if answer.headers.get("Transfer-Encoding") != "chunked":
            return self.reply(answer.status, answer.read())
        self.send_response(answer.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in answer:
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        return None
