# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that gives fixed answers, and a way to run a module against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from ansible.module_utils.common import warnings
from ansible_collections.progressive.istio.plugins.module_utils._canary import call as calls
from ansible_collections.progressive.istio.plugins.module_utils._common.module import Module
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import load
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._proxy import fleet
from ansible_collections.progressive.istio.plugins.modules import canary
from ansible_core import patch_module_args
from api_server import ApiServer
from istio_mesh import Istio
from loopback_mesh import istiod, running
from pong_mesh import NAMESPACE, virtual_service

REASONS = {403: "Forbidden", 404: "NotFound"}


class FixedApi(ThreadingHTTPServer):
    """Answers a path with its object, or with a status; with a list of them, with one after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

    @property
    def access(self) -> dict[str, str]:
        """The options with which a module finds it."""
        return {"host": f"http://127.0.0.1:{self.server_port}", "api_key": "t0ken"}

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        found = self.answers.get(path, 404)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, int):
            reason = REASONS[found]
            return found, {"kind": "Status", "reason": reason, "message": f"{path} {reason}", "code": found}
        return 200, {"kind": "List" if "items" in found else "Object", **found}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: FixedApi

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, answer = self.server.answer(self.path.split("?")[0])
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def fixed_api() -> Iterator[FixedApi]:
    with FixedApi() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the main function of a module with options, and return what it prints."""

    def run(main: Callable[[], None], options: dict[str, Any], check: bool = False) -> dict[str, Any]:
        monkeypatch.setattr(
            warnings, "_global_warnings", type(warnings._global_warnings)()
        )  # as in the process of its own that it usually has
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


@pytest.fixture
def mesh(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Istio]:
    monkeypatch.setattr(fleet, "FIRST_QUESTION", 0.1)
    server.put("virtualservices", virtual_service(100, 0, gateways=["gateway"]))
    with running(Istio(server)) as mesh:
        istiod(mesh)
        yield mesh


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warns of; with the controller's code in the same process, results do not have it."""
    warnings: list[str] = []
    monkeypatch.setattr(Module, "warn", lambda module, warning: warnings.append(warning))
    return warnings


@pytest.fixture
def call(server: ApiServer, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Run the module on the canary of the test mesh."""
    fixed = {"host": server.url, "api_key": "secret", "name": "pong", "namespace": NAMESPACE}

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        defaults = {"stable": "v1", "canary": "v2", "wait_timeout": 0, "interval": 0, "proof": "none"}
        return run_module(canary.main, {**fixed, **defaults, **options}, check)

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    monkeypatch.setattr(calls, "connect", lambda params: Cluster(lambda: load(params), patience=0))
