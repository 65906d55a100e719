# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write into a Gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .objects import NotOurs, Object, about, changed, missing, named, new, objects_of


def plan(
    found: Mapping[str, Any], *, name: str, namespace: str, selector: Mapping[str, str], port: int, hosts: list[str]
) -> Object:
    """Ensure one HTTP server with these hosts; all other servers stay."""
    with about("Gateway", namespace, name):
        objects = objects_of(found, "Gateway")
        return {"definition": _definition(objects, name, namespace, dict(selector), int(port), list(hosts))}


def _definition(
    objects: list[Object], name: str, namespace: str, selector: dict[str, str], port: int, hosts: list[str]
) -> Object | None:
    current = named(objects, name)
    if current is None:
        return new("Gateway", name, namespace, {"selector": selector, "servers": [_server("http", port, hosts)]})
    spec = current["spec"]
    if spec.get("selector") != selector:
        raise NotOurs(
            f"it runs on the pods with {_labels(spec.get('selector') or {})}, not {_labels(selector)}: "
            "give its selector as canary_ingress_selector, or another name as canary_gateway"
        )
    servers: list[Object] = [dict(server) for server in spec.get("servers") or []]
    on_port = [server for server in servers if server["port"]["number"] == port]
    foreign = sorted({server["port"]["protocol"] for server in on_port} - {"HTTP", "HTTP2"})
    if foreign:
        raise NotOurs(
            f"its port {port} speaks {foreign[0]}, not HTTP: give another canary_gateway_port or canary_gateway"
        )
    absent = missing([host.rpartition("/")[2] for server in on_port for host in server["hosts"]], hosts)
    if absent and on_port:
        on_port[0]["hosts"] = [*on_port[0]["hosts"], *absent]
    elif absent:
        taken = {server["port"]["name"] for server in servers}
        servers.append(_server("http" if "http" not in taken else f"http-{port}", port, hosts))
    remedy = f"its owner can add {', '.join(hosts)} to port {port}, or set canary_gateway to another name"
    return changed("Gateway", current, {"servers": servers}, remedy)


def _server(name: str, port: int, hosts: list[str]) -> Object:
    return {"port": {"number": port, "name": name, "protocol": "HTTP"}, "hosts": hosts}


def _labels(selector: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in selector.items()) or "no labels"
