# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the mesh rules as text for a terminal. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .._common.printable import printable
from .._common.text import plural
from .._istio.mesh import MESH, Mesh, Object, RuleDestination, behind, destinations_of, gateway_names, in_mesh, name_of
from .._k8s.conditions import is_ready
from .checks import Result
from .finding import ERROR, WARNING

_WIDTH = len("skipped")


def render(mesh: Mesh, results: Sequence[Result]) -> str:
    """The routes, then every check with its mark and findings."""
    lines = [line for each in mesh.focused() for line in _overview(mesh, each)]
    lines += [line for result in results for line in _lines(result)]
    return "\n".join([*map(printable, lines), verdict(results)])


def verdict(results: Sequence[Result]) -> str:
    """The number of checks, errors and warnings, in one line."""
    found = Counter(finding.severity for result in results for finding in result.findings)
    skipped = sum(bool(result.skipped) for result in results)
    done = plural(len(results) - skipped, "check") + (f" ({skipped} skipped)" if skipped else "")
    return f"{done}: {plural(found[ERROR], 'error')}, {plural(found[WARNING], 'warning')}"


def _overview(mesh: Mesh, virtual_service: Object) -> Iterator[str]:
    bound = [*map(str, gateway_names(virtual_service)), *([MESH] if in_mesh(virtual_service) else [])]
    hosts = ", ".join(virtual_service["spec"].get("hosts") or ["none"])
    yield f"VirtualService {name_of(virtual_service)}: hosts {hosts}; gateways {', '.join(bound)}"
    for destination in destinations_of(virtual_service):
        version = f" {destination.subset}" if destination.subset else ""
        share = f"{destination.share:g} %".rjust(7)
        yield f"{share}  {destination.rule.label} -> {destination.host}{version}{_pods(mesh, destination)}"


def _pods(mesh: Mesh, destination: RuleDestination) -> str:
    service = mesh.service(destination.service) if destination.service else None
    subset = mesh.subset(destination)
    if not service or "pods" in mesh.unread or (destination.subset and not subset):
        return ""
    pods = behind(service, mesh.pods, subset.labels if subset else {})
    return f" ({sum(map(is_ready, pods))} of {plural(len(pods), 'pod')} ready)"


def _lines(result: Result) -> Iterator[str]:
    mark = result.mark.upper() if result.mark == ERROR else result.mark
    yield f"{mark.ljust(_WIDTH)}  {result.check}" + (f": {result.skipped}" if result.skipped else "")
    for finding in result.findings:
        yield f"{' ' * _WIDTH}  {finding.place} {finding.problem}"
        yield f"{' ' * _WIDTH}  -> {finding.advice}"
