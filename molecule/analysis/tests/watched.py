"""A service with versions that go while they are watched, and one that fails."""

from __future__ import annotations

from foreign import GATEWAY_SELECTOR, Foreign

FRAIL = ("frail-a", "frail-b", "frail-c", "frail-d", "frail-e")
SHOP = Foreign(
    "analysis-watch", versions={"blue": {}, "broken": {"PONG_ERROR_RATE": "1"}, **{name: {} for name in FRAIL}}
)


def set_up(wait: bool) -> None:
    """With a release for each frail version: a route of its own to the same Service."""
    api, meta = "networking.istio.io/v1", {"namespace": SHOP.namespace}
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"*.{SHOP.public}"]}
    gateway = {"selector": GATEWAY_SELECTOR, "servers": [server]}
    items = [{"apiVersion": api, "kind": "Gateway", "metadata": {**meta, "name": "frail"}, "spec": gateway}]
    for name in FRAIL:
        rules = [{"route": SHOP.destinations({"blue": 100, name: 0})}]
        spec = {"hosts": [f"{name}.{SHOP.public}"], "gateways": ["frail"], "http": rules}
        items.append({"apiVersion": api, "kind": "VirtualService", "metadata": {**meta, "name": name}, "spec": spec})
    SHOP.kube.set_up([*SHOP.objects(), *items], wait)
