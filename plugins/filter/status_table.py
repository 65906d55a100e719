# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of canaries as a table: a row for each version and notes below a service, or one row for each of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._common.text import aligned

Service = Mapping[str, Any]
Line = dict[str, str]

HEADINGS = ("service", "version", "weight", "share", "errors", "p99", "verdict")
OF_MANY = ("service", "weights", "share of canary", "errors", "p99", "verdict")
FEW = 3  # services of which each has a row for each version
UNKNOWN = "-"
SAID = "see above"  # a failure that Ansible has printed
TONES = {
    "pass": "ok",
    "inconclusive": "warning",
    "paused": "warning",
    "held": "error",
    "unreadable": "error",
    "fail": "error",
}


def status_table(services: list[Service]) -> list[Line]:
    """The lines, each with its text and its tone, as the module `show` takes them.

    A service has a name and what is known of it: `info` of canary_info, `result` of canary, `probe` of traffic_probe,
    `doctor` of canary_doctor, `failed` if its play did, and `check` in check mode.
    """
    few = len(services) <= FEW
    rows = [(service, list(_rows(service)) if few else [_row(service)]) for service in services]
    cells = [(service["name"] if first else "", *row) for service, some in rows for first, row in _marked(some)]
    table = _with_clusters(rows, [HEADINGS if few else OF_MANY, *cells])
    head, *texts = aligned(table)
    lines, rest = [_line(head)], iter(texts)
    for service, some in rows:
        lines += [_line(next(rest), _tone(service)) for _row in some]
        lines += [_line(f"  {note}", tone) for note, tone in _notes(service) if few or tone != "plain"]
    return lines


def _with_clusters(
    rows: list[tuple[Service, list[tuple[str, ...]]]], table: list[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """The table with a first column for the clusters, where the services are in several."""
    clusters = [_cluster(service) for service, some in rows for _row in some]
    if len(set(filter(None, clusters))) < 2:
        return table
    first = [cluster if row[0] else "" for cluster, row in zip(clusters, table[1:], strict=True)]
    return [(cluster, *row) for cluster, row in zip(["cluster", *first], table, strict=True)]


def _cluster(service: Service) -> str:
    """The context with which the service was reached; empty if it was not."""
    known = ((service.get(part) or {}).get("context") for part in ("result", "info"))
    return str(next(filter(None, known), ""))


def _row(service: Service) -> tuple[str, ...]:
    """Its cells in a table of many: all weights, and what is known of the canary."""
    rows = list(_rows(service))
    weights = ", ".join(f"{version} {weight}" for version, weight, *_rest in rows if version != UNKNOWN)
    return (weights or UNKNOWN, *rows[-1][2:])


def _rows(service: Service) -> Iterator[tuple[str, ...]]:
    """For each version its cells after the name of the service."""
    weights = _weights(service)
    if not weights:
        yield (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, _verdict(service))
    counted, shares = _counted(service), _shares(service)
    for index, (version, weight) in enumerate(weights.items()):
        own = counted.get(version, {})
        yield (
            version,
            f"{weight:g} %",
            _percent(shares.get(version)),
            _percent(own["failed"] / own["requests"]) if own.get("requests") else UNKNOWN,
            f"{own['p99']:.3g} ms" if own.get("p99") else UNKNOWN,
            _verdict(service) if index == len(weights) - 1 else "",
        )


def _weights(service: Service) -> Mapping[str, float]:
    result, info = service.get("result") or {}, service.get("info") or {}
    return (result.get("weights") or {}).get("after") or info.get("weights") or {}


def _counted(service: Service) -> dict[str, dict[str, float]]:
    """Requests, failures and p99 by version with the weights of now: as last counted, else as the probe met them."""
    return (_judged(service) if _is_of_now(service) else {}) or _probed(service)


def _is_of_now(service: Service) -> bool:
    """Whether the weights are still those with which requests were counted last."""
    judged = _last_judged(service)
    return judged is None or _without_zero(judged["weights"]) == _without_zero(_weights(service))


def _last_judged(service: Service) -> Mapping[str, Any] | None:
    judged = (service.get("result") or {}).get("judged") or []
    return judged[-1] if judged and judged[-1].get("versions") else None


def _without_zero(weights: Mapping[str, float]) -> dict[str, float]:
    return {version: weight for version, weight in weights.items() if weight}


def _earlier(service: Service) -> Iterator[str]:
    """What was counted with other weights than those of now, which their columns cannot show."""
    judged = _last_judged(service)
    if judged is None or _is_of_now(service):
        return
    found = []
    for version, own in judged["versions"].items():
        failed = f" {_percent(own['failed'] / own['requests'])} errors" if own.get("requests") else ""
        p99 = f", p99 {own['p99']:.3g} ms" if own.get("p99") else ""
        found.append(f"{version} {own['requests']} requests,{failed}{p99}" if failed else f"{version} no requests")
    weights = ", ".join(f"{version} {weight} %" for version, weight in judged["weights"].items())
    yield f"counted at {weights}: {'; '.join(found)}"


def _probed(service: Service) -> dict[str, dict[str, float]]:
    """The result of a probe; it does not say which version had the errors."""
    probe = _probe(service)
    if probe.get("error_count") != 0:
        return {}
    return {version: {"requests": own["requests"], "failed": 0} for version, own in probe["versions"].items()}


def _probe(service: Service) -> Mapping[str, Any]:
    """Nothing where the versions of some answers are unknown: the others say little about shares."""
    probe: Mapping[str, Any] = service.get("probe") or {}
    return {} if probe.get("unknown") else probe


def _judged(service: Service) -> dict[str, dict[str, float]]:
    judged = _last_judged(service)
    return {version: dict(own) for version, own in judged["versions"].items()} if judged else {}


def _shares(service: Service) -> dict[str, float]:
    """What part of the answers came from each version: of the probe's, else of those that were counted."""
    probed = _probe(service).get("versions")
    if probed:
        return {version: own["share"] for version, own in probed.items()}
    requests = {version: own.get("requests") for version, own in _counted(service).items()}
    known = [number for number in requests.values() if number is not None]
    if len(known) < max(len(_weights(service)), 1) or not sum(known):
        return {}
    return {version: (number or 0) / sum(known) for version, number in requests.items()}


def _verdict(service: Service) -> str:
    """The verdict of the analysis and the phase of the release, in a few words."""
    if service.get("failed"):
        return "failed"
    info = service.get("info") or {}
    release = service.get("result") or info
    if not _weights(service):
        return "not reached" if not release else "see below" if info.get("problems") else "no canary"
    judged = (release.get("analysis") or release.get("verdict") or {}).get("result")
    step = f", step {release['step']} of {len(release['steps'])}" if release.get("steps") else ""
    phase = release.get("phase", UNKNOWN)
    state = "no release" if phase == "none" else f"{phase.replace('_', ' ')}{step}"
    if service.get("check") and release.get("changed"):
        state = f"would be {state}"
    return f"{judged}; {state}" if judged else state


def _tone(service: Service) -> str:
    release = service.get("result") or service.get("info") or {}
    judged = (release.get("analysis") or release.get("verdict") or {}).get("result")
    if service.get("failed"):
        return "error"
    return TONES.get(str(release.get("phase")), TONES.get(str(judged), "plain"))


def _notes(service: Service) -> Iterator[tuple[str, str]]:
    info, result = service.get("info") or {}, service.get("result") or {}
    if result.get("msg") and not result.get("failed"):
        yield str(result["msg"]), "warning" if result.get("phase") == "paused" else "plain"
    if service.get("failed") not in (None, "", SAID):
        yield f"! {' '.join(str(service['failed']).split())}", "error"
    for problem in info.get("problems") or []:
        yield f"! {problem}", "error"
    for earlier in _earlier(service):
        yield earlier, "plain"
    if info.get("versions"):
        ready = ", ".join(f"{name} {one['ready']} of {one['total']}" for name, one in info["versions"].items())
        yield f"ready pods: {ready}", "plain"
    if info.get("next"):
        yield f"next: {info['next']}", "plain"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share * 100:.1f} %"


def _marked(rows: list[tuple[str, ...]]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    return ((index == 0, row) for index, row in enumerate(rows))


def _line(text: str, tone: str = "plain") -> Line:
    return {"text": printable(text), "tone": tone}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[Line]]]:
        """Name it."""
        return {"status_table": status_table}
