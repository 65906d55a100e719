# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh rules as named checks of one snapshot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from .._istio.mesh import Mesh
from . import gateways, injection, reach, routes, workloads
from .finding import ERROR, Finding


@dataclass(frozen=True)
class MeshCheck:
    """A check of one rule. needs: the fields of the snapshot that it reads."""

    find: Callable[[Mesh], Iterator[Finding]]
    needs: frozenset[str]

    @property
    def name(self) -> str:
        return self.find.__name__

    @property
    def rule(self) -> str:
        return self.find.__doc__ or ""


@dataclass(frozen=True)
class Result:
    """The result of a check. skipped: why it did not run."""

    check: str
    rule: str
    findings: tuple[Finding, ...] = ()
    skipped: str = ""

    @property
    def mark(self) -> str:
        """ok, warning, error or skipped."""
        severities = {finding.severity for finding in self.findings}
        return "skipped" if self.skipped else ERROR if ERROR in severities else min(severities, default="ok")

    def facts(self) -> dict[str, str]:
        """As part of a module's result."""
        return {"name": self.check, "rule": self.rule, "result": self.mark, "skipped": self.skipped}


def _check(find: Callable[[Mesh], Iterator[Finding]], *needs: str) -> MeshCheck:
    return MeshCheck(find, frozenset({"virtual_services", *needs}))


# In the order of a request: first what exists, then where it leads, then the pods.
CHECKS: tuple[MeshCheck, ...] = (
    _check(routes.virtual_service_exists),
    _check(gateways.gateway_exists, "gateways"),
    _check(gateways.gateway_selector_matches, "gateways", "proxies"),
    _check(gateways.gateway_port_served, "gateways", "proxies", "services"),
    _check(gateways.host_in_gateway, "gateways"),
    _check(gateways.one_gateway_per_host, "gateways"),
    _check(gateways.one_route_per_gateway_host, "gateways"),
    _check(routes.route_not_shadowed),
    _check(routes.route_named),
    _check(routes.weights_complete),
    _check(routes.host_resolves, "destination_rules", "services", "service_entries"),
    _check(routes.destination_port_exists, "services"),
    _check(routes.subset_defined, "destination_rules", "services"),
    _check(routes.one_definition_per_subset, "destination_rules", "gateways", "proxies", "services"),
    _check(routes.one_rule_per_host, "destination_rules", "gateways", "proxies", "services"),
    _check(routes.rule_in_service_namespace, "destination_rules", "gateways", "proxies", "services"),
    _check(routes.exported_to_gateway, "destination_rules", "gateways", "proxies"),
    _check(reach.reached_by_weight_alone, "destination_rules", "services"),
    _check(reach.callers_routed, "destination_rules", "services", "sidecars"),
    _check(workloads.service_selector_without_version, "destination_rules", "services"),
    _check(workloads.port_named_http, "services"),
    _check(workloads.deployments_apart, "deployments", "services"),
    _check(workloads.subset_selects_ready_pods, "deployments", "destination_rules", "pods", "services"),
    _check(workloads.capacity_for_weight, "destination_rules", "pods", "services"),
    _check(injection.single_injection_label, "namespaces"),
    _check(injection.injection_label_answered, "mutating_webhooks", "namespaces"),
    _check(injection.injector_ready, "injectors", "mutating_webhooks", "namespaces", "services"),
    _check(injection.pods_injected, "deployments", "mutating_webhooks", "namespaces", "pods", "services"),
    _check(injection.configuration_validated, "validating_webhooks"),
)
NAMES: tuple[str, ...] = tuple(check.name for check in CHECKS)


def needs(skip: Collection[str] = ()) -> frozenset[str]:
    """The fields of the snapshot that the checks read."""
    return frozenset().union(*(check.needs for check in CHECKS if check.name not in skip))


def examine(mesh: Mesh, skip: Collection[str] = ()) -> list[Result]:
    """The result of every check, in order."""
    return [_result(check, mesh, check.name in skip) for check in CHECKS]


def findings(results: Iterable[Result]) -> list[Finding]:
    """All findings, errors first."""
    found = [finding for result in results for finding in result.findings]
    return sorted(found, key=lambda finding: finding.severity != ERROR)


def _result(check: MeshCheck, mesh: Mesh, unwanted: bool) -> Result:
    if unwanted:
        return Result(check.name, check.rule, skipped="by skip_checks")
    unread = [mesh.unread[field] for field in sorted(check.needs & mesh.unread.keys())]
    if unread:
        return Result(check.name, check.rule, skipped="; ".join(unread))
    found = tuple(replace(finding, check=check.name) for finding in check.find(mesh))
    return Result(check.name, check.rule, found)
