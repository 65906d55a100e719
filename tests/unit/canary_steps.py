# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test of the canary module asks for, and what others do to its VirtualService meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from api_server import ApiServer, Request
from pong_mesh import NAMESPACE, state_of, weights_of

STEPS = [10, 50, 100]


def advanced(**options: Any) -> dict[str, Any]:
    """Options for one step."""
    return {"state": "advanced", "steps": STEPS} | options


def events(server: ApiServer) -> list[tuple[str, int]]:
    """What the history says."""
    return [(past["event"], past["weight"]) for past in state_of(server).get("history", [])]


def meanwhile(server: ApiServer, action: Callable[[], object]) -> None:
    """Do it as soon as the module watches."""
    actions = iter([action])

    def begin(number: int, request: Request) -> None:
        if request.watches and (todo := next(actions, None)):
            threading.Timer(0.05, todo).start()

    server.before = begin


def edit(server: ApiServer, change: Callable[[dict[str, Any]], object]) -> None:
    """Somebody else's edit of the VirtualService."""
    service = server.get("virtualservices", "pong", NAMESPACE)
    change(service)
    server.put("virtualservices", service)


def set_weights(*weights: int) -> Callable[[dict[str, Any]], None]:
    """By hand."""

    def change(service: dict[str, Any]) -> None:
        for entry, weight in zip(service["spec"]["http"][1]["route"], weights, strict=True):
            entry["weight"] = weight

    return change


def agree(server: ApiServer) -> bool:
    """Whether state and weights say the same."""
    state = state_of(server)
    if not state:
        return weights_of(server) == {"v1": 100, "v2": 0}
    return weights_of(server) == {
        state["stable"]: state["weights"]["stable"],
        state["canary"]: state["weights"]["canary"],
    }
