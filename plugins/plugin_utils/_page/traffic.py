# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests go: the picture of now, and that of the last weights that were counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .numbers import THIN, UNKNOWN, Number, duration, milliseconds, observed, percent, quotient, rate

Result = Mapping[str, Any]

_COUNTED = {  # by the source of an analysis
    "envoy": "counted by the proxies",
    "prometheus": "counted by Prometheus",
    "probe": "of requests sent as a probe",
}


@dataclass(frozen=True)
class Entrance:
    """A kind of proxies that send requests, and how many of them there are."""

    name: str
    note: str


@dataclass(frozen=True)
class PageNode:
    """A version in a graph. share: percent; lines: its numbers by name; note: said where there are none."""

    name: str
    role: str
    share: int
    lines: tuple[tuple[str, Number], ...]
    note: str = ""


@dataclass(frozen=True)
class Graph:
    """The way of the requests. id: its name in the page."""

    id: str
    title: str
    caption: str
    nodes: tuple[PageNode, ...]


@dataclass(frozen=True)
class PageWorkload:
    """What runs a version."""

    name: str
    role: str
    ready: str
    deployments: str
    images: tuple[str, ...]


def graphs(result: Result, stable: str, canary: str) -> tuple[Graph, ...]:
    """Now, where it is known, and while the last requests were counted, where some were."""
    found = (_now(result, stable, canary), _counted(result, stable, canary))
    return tuple(each for each in found if each is not None)


def entrances(result: Result) -> tuple[Entrance, ...]:
    """The gateways in which the weights were live, and all sidecars as one entry; else where the route is bound."""
    pods: dict[str, Counter[str]] = {}
    for each in result.get("live") or []:
        role, _space, place = each["proxy"].partition(" ")
        namespace, _slash, pod = place.partition("/")
        name = pod.rsplit("-", 2)[0]
        pods.setdefault(role, Counter())[name if role == "gateway" else f"{namespace}/{name}"] += 1
    sidecars = pods.pop("sidecar", Counter())
    found = [Entrance(name, _many("gateway pod", count)) for name, count in pods.pop("gateway", Counter()).items()]
    if sidecars:
        name = f"{len(sidecars)} workloads" if len(sidecars) > 1 else next(iter(sidecars))
        found.append(Entrance(name, _many("sidecar", sidecars.total())))
    names = result.get("gateways") or []
    bound = (Entrance("mesh", "sidecars") if name == "mesh" else Entrance(name, "Gateway") for name in names)
    return tuple(found) or tuple(bound) or (Entrance("clients", "source"),)


def workloads(result: Result, stable: str, canary: str) -> tuple[PageWorkload, ...]:
    """The pods, Deployments and images of each version."""
    found = result.get("versions") or {}
    return tuple(
        PageWorkload(
            name,
            _role(name, stable, canary),
            f"{found[name]['ready']} of {found[name]['total']}",
            ", ".join(found[name].get("deployments") or []) or UNKNOWN,
            tuple(found[name].get("images") or []),
        )
        for name in _in_order(found, stable, canary)
    )


def ordered(shares: Mapping[str, int], stable: str, canary: str) -> dict[str, int]:
    """The same, in the order of versions on the page."""
    return {name: shares[name] for name in _in_order(shares, stable, canary)}


def _in_order(names: Mapping[str, Any], stable: str, canary: str) -> list[str]:
    return [name for name in dict.fromkeys((stable, canary, *sorted(names))) if name in names]


def _role(name: str, stable: str, canary: str) -> str:
    return {stable: "stable", canary: "canary"}.get(name, "other")


def _many(what: str, count: int) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _now(result: Result, stable: str, canary: str) -> Graph | None:
    """The weights that are set, and the pods behind them."""
    shares = (result.get("weights") or {}).get("after") or {}
    pods = result.get("versions") or {}
    nodes = tuple(
        PageNode(name, _role(name, stable, canary), share, (), _pods(pods.get(name)))
        for name, share in ordered(shares, stable, canary).items()
    )
    return Graph("now", "Now", "The weights that are set.", nodes) if nodes else None


def _pods(workload: Result | None) -> str:
    if workload is None:
        return ""
    return f"{workload['ready']} of {_many('pod', workload['total'])} ready"


def _counted(result: Result, stable: str, canary: str) -> Graph | None:
    """The last weights with counted requests."""
    last = next((each for each in reversed(result.get("judged") or []) if each["versions"]), None)
    if last is None:
        return None
    nodes = tuple(
        PageNode(name, _role(name, stable, canary), share, _lines(last, name), "" if share else "no requests")
        for name, share in ordered(last["weights"], stable, canary).items()
    )
    counts = _COUNTED.get(last["source"], last["source"])
    title = f"Measured while {canary} had {last['weights'].get(canary, 0)}{THIN}%"
    caption = f"{counts[0].upper()}{counts[1:]} over {duration(last['seconds'])}."
    return Graph("measured", title, caption, nodes)


def _lines(judged: Result, name: str) -> tuple[tuple[str, Number], ...]:
    counted = judged["versions"].get(name)
    if counted is None:
        return ()
    return (
        ("seen", percent(observed(judged["versions"], name))),
        ("req/s", rate(counted["requests"], judged["seconds"])),
        ("failed", percent(quotient(counted["failed"], counted["requests"]))),
        ("p99", milliseconds(counted.get("p99"))),
    )
