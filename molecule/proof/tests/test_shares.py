"""Weights that sum to another number than 100, and a route that leads to more than the two versions."""

from __future__ import annotations

from gateway import VIRTUAL_SERVICE

ROUTE = "/spec/http/0/route"


def test_weights_of_another_sum_and_further_destinations(gateway):
    """Envoy runs them as parts of their sum: each is reported so, moved from, and seen live."""
    weights = [{"op": "add", "path": f"{ROUTE}/{place}/weight", "value": each} for place, each in enumerate((80, 40))]
    gateway.patch("virtualservice", VIRTUAL_SERVICE, *weights)
    step = gateway.canary("advanced")
    assert not step.get("failed"), step["msg"]
    assert step["weights"] == {"before": {"v1": 66.67, "v2": 33.33}, "after": {"v1": 50, "v2": 50}}
    assert (gateway.weights, len(step["live"])) == ({"v1": 50, "v2": 50}, 2)
    host = gateway.pong.host
    other = {"destination": {"host": host}, "weight": 20}
    weights = [{"op": "add", "path": f"{ROUTE}/{place}/weight", "value": 40} for place in (0, 1)]
    gateway.patch("virtualservice", VIRTUAL_SERVICE, *weights, {"op": "add", "path": f"{ROUTE}/-", "value": other})
    try:
        moved = gateway.canary("weighted", weight=25)
        back = gateway.canary("rolled_back")
    finally:
        whole = {"op": "add", "path": f"{ROUTE}/0/weight", "value": 100}
        gateway.patch("virtualservice", VIRTUAL_SERVICE, {"op": "remove", "path": f"{ROUTE}/2"}, whole)
    assert moved["weights"] == {"before": {"v1": 40, "v2": 40, host: 20}, "after": {"v1": 60, "v2": 20, host: 20}}
    assert back["weights"]["after"] == {"v1": 80, "v2": 0, host: 20}
    assert (len(moved["live"]), len(back["live"])) == (2, 2)
