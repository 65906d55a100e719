# SPDX-License-Identifier: GPL-3.0-or-later
"""From all findings to a short list: each cause once, with its symptoms and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .._common.clock import stamp
from .._common.text import plural
from .._preflight.checks import Result
from .._preflight.finding import ERROR, Finding
from .events import PodEvent, newest, scaled
from .pods import GATEWAY_PODS_READY, PODS_READY, UnreadyPods
from .release import STEP_POSSIBLE, SUBSETS_LIVE, WEIGHTS_LIVE

_GATEWAYS = frozenset(
    {
        GATEWAY_PODS_READY,
        "gateway_exists",
        "gateway_selector_matches",
        "host_in_gateway",
        "one_gateway_per_host",
        "one_route_per_gateway_host",
    }
)
_ROUTES = frozenset({"exported_to_gateway", "host_resolves", "route_not_shadowed", "weights_complete"})
_PODS = frozenset({PODS_READY, "service_selector_without_version", "subset_defined", "subset_selects_ready_pods"})

# By check: the checks that can be the cause of its findings about the same thing, which are symptoms then.
CAUSES: Mapping[str, frozenset[str]] = {
    "gateway_selector_matches": frozenset({GATEWAY_PODS_READY}),
    "gateway_port_served": frozenset({GATEWAY_PODS_READY, "gateway_selector_matches"}),
    "one_rule_per_host": frozenset({"one_definition_per_subset", "rule_in_service_namespace"}),
    "subset_defined": frozenset({"host_resolves", "rule_in_service_namespace"}),
    "subset_selects_ready_pods": frozenset({PODS_READY, "injector_ready", "service_selector_without_version"}),
    "capacity_for_weight": _PODS | {"injector_ready"},
    PODS_READY: frozenset({"injector_ready"}),
    WEIGHTS_LIVE: _GATEWAYS | _ROUTES | {"host_resolves"},
    SUBSETS_LIVE: _GATEWAYS | _ROUTES | _PODS | {WEIGHTS_LIVE, "destination_port_exists", "pods_injected"},
    "release_found": frozenset({"virtual_service_exists", "host_resolves"}),
    STEP_POSSIBLE: _GATEWAYS | _ROUTES | _PODS | {"rule_in_service_namespace"},
}


@dataclass(frozen=True)
class Problem:
    """A cause. symptoms: its consequences; events: those of its pods, newest first."""

    finding: Finding
    symptoms: tuple[Finding, ...] = ()
    events: tuple[PodEvent, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As part of a module's result."""
        events = [{**vars(each), "at": stamp(each.at)} for each in self.events]
        return self.finding.facts() | {"symptoms": [str(each) for each in self.symptoms], "events": events}


@dataclass(frozen=True)
class Diagnosis:
    """place: the VirtualService. status: its weights and what was checked. problems: errors first.

    unseen: what could not be checked, one sentence each.
    """

    place: str
    at: datetime
    status: str = ""
    problems: tuple[Problem, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(each for each in self.problems if each.finding.severity == ERROR)


def problems(
    found: Iterable[Finding], unready: Iterable[UnreadyPods], events: Iterable[Mapping[str, Any]]
) -> tuple[Problem, ...]:
    """Each cause once, errors first, with its consequences as symptoms."""
    notes = list(events)
    names = {_dated(each, notes): each.names for each in unready}
    everything = [*names, *found]
    causes = {finding: _cause(finding, everything) for finding in everything}
    made = [
        Problem(
            finding,
            tuple(each for each, why in causes.items() if _root(why, causes) == finding),
            newest(notes, names.get(finding, frozenset())),
        )
        for finding, cause in causes.items()
        if cause is None
    ]
    return tuple(sorted(made, key=lambda each: each.finding.severity != ERROR))


def _dated(unready: UnreadyPods, events: Iterable[Mapping[str, Any]]) -> Finding:
    """The finding with its time, where only the events have it."""
    finding = unready.finding
    return finding if finding.since else replace(finding, since=scaled(events, unready.names))


def unseen(results: Iterable[Result]) -> list[str]:
    """Why checks were skipped, each reason once."""
    reasons = [result.skipped for result in results if result.skipped and result.skipped != "by skip_checks"]
    return [f"{each} ({plural(reasons.count(each), 'check')} skipped)" for each in dict.fromkeys(reasons)]


def _cause(finding: Finding, others: Iterable[Finding]) -> Finding | None:
    """The finding that it follows from: about the same thing, and no warning if it is an error itself."""
    causes = CAUSES.get(finding.check, frozenset())
    known = (each for each in others if each.check in causes and each.concerns(finding))
    return next((each for each in known if each.severity == ERROR or finding.severity != ERROR), None)


def _root(finding: Finding | None, causes: Mapping[Finding, Finding | None]) -> Finding | None:
    while finding is not None and causes[finding] is not None:
        finding = causes[finding]
    return finding
