# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a run, from the results of the modules `canary` and `canary_info`. Pure.

Every number is one of theirs, or the quotient of two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ...module_utils._release.state import attempt
from ...module_utils._routing.virtual_service import titled
from . import charts
from .numbers import THIN, UNKNOWN, duration, milliseconds, moment
from .plots import comparisons, timeline, where_live
from .steps import step_of
from .traffic import entrances, graphs, ordered, workloads
from .waits import totals, waits_of

Result = Mapping[str, Any]

# By phase: its name, its tone, and the next commands as (purpose, playbook).
_BACK = ("Send all requests to stable", "rollback")
_DOCTOR = ("Find the cause", "doctor")
_STATUS = ("See the status", "status")
_PHASES: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "promoted": ("promoted", "good", (("Remove the old version", "cleanup"), _BACK)),
    "rolled_back": ("rolled back", "bad", (_DOCTOR, ("Try again after the fix", "canary -e canary_confirm=true"))),
    "held": ("held", "bad", (_DOCTOR, _BACK, ("Continue anyway", "canary -e canary_confirm=true"))),
    "paused": ("waits for confirmation", "open", (("Continue", "advance -e canary_confirm=true"), _BACK)),
    "progressing": ("in progress", "open", (("Continue", "canary"), _BACK, _STATUS)),
    "weighted": ("set manually", "open", (("Take all steps", "canary"), _BACK)),
    "none": ("not started", "open", (("Take all steps", "canary"),)),
    "unreadable": ("cannot be read", "bad", (_DOCTOR, _BACK)),
}
_STOPPED = ("stopped", "bad", (_DOCTOR, _STATUS, _BACK))


def page_of(result: Result, app: str = "", options: str = "", links: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the template shows. app: the name of the service; options: of its commands."""
    stable, canary = result.get("stable", "stable"), result.get("canary", "canary")
    weights = result.get("weights") or {}
    shares = ordered(weights.get("after") or {}, stable, canary)
    word, tone, following = _status(result)
    times = _times(result)
    span = charts.span_of(times)
    service = result.get("destination_host") or UNKNOWN
    waits = waits_of(result, span, canary) if span else ()
    return {
        "title": f"{app or service.partition('.')[0]}: {stable} → {canary}, {word}",
        "status": word,
        "tone": tone,
        "sentence": ", ".join(f"{name} has {share}{THIN}%" for name, share in shares.items()),
        "why": _why(result),
        "verdict": _verdict(result, canary),
        "commands": tuple((why, _command(playbook, options)) for why, playbook in following),
        "links": _links(links or {}),
        "facts": _facts(result),
        "began": min(times, default=None),
        "ended": max(times, default=None),
        "duration": duration((max(times) - min(times)).total_seconds()) if times else UNKNOWN,
        "stable": stable,
        "canary": canary,
        "shares": tuple(shares.items()),
        "entrances": entrances(result),
        "service": service,
        "graphs": graphs(result, stable, canary),
        "workloads": workloads(result, stable, canary),
        "live_in": where_live(result),
        "timeline": timeline(result, span, canary, waits) if span and result.get("transitions") else None,
        "waits": totals(waits),
        "comparisons": comparisons(result, span, stable, canary) if span else (),
        "steps": tuple(step_of(each, stable, canary) for each in result.get("judged") or []),
        "transitions": tuple(_transition(each) for each in result.get("transitions") or []),
        "warnings": tuple(dict.fromkeys(result.get("warnings") or [])),
        "unknown": _unknown(result),
    }


def of_status(status: Result) -> dict[str, Any]:
    """The result of `canary_info` in the form of `canary`'s, as far as it has the data."""
    if not status.get("exists"):
        return {**status, "failed": True, "msg": status.get("summary", "there is no such canary")}
    stable, canary = status["stable"], status["canary"]
    history = status["history"]
    ours = history[attempt([(past["event"], past["canary"], past["weight"]) for past in history], canary) :]
    transitions = [
        {**past, "weights": {stable: 100 - past["weight"], canary: past["weight"]}, "live": None} for past in ours
    ]
    verdict = status.get("verdict")
    by = ours[-1]["by"] if ours else None
    return {
        **status,
        "msg": status["summary"],
        "weights": {"after": status["weights"]},
        "transitions": transitions,
        "judged": status.get("counted") or [],
        "warnings": [*status["problems"], *(status.get("warnings") or [])],
        "run": {"who": by} if by else {},
        "verdict": f"{verdict['result']}: {verdict['why']}" if verdict else None,
    }


def _status(result: Result) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The name of the phase, its tone and the next commands. A run that failed is never good."""
    word, tone, following = _PHASES.get(result.get("phase") or "", _STOPPED)
    if word == "stopped" and not result.get("transitions"):
        return "refused", tone, following
    if result.get("failed") and tone != "bad":
        return f"{word}, stopped", "bad", (_DOCTOR, *following)
    return word, tone, following


def _why(result: Result) -> str:
    """The reason to show first."""
    written = result.get("transitions") or []
    decided = written and written[-1]["event"] in ("failed", "held", "rolled_back")
    if result.get("verdict"):
        return str(result["verdict"])
    if written and (decided or not result.get("failed")):
        return str(written[-1]["why"])
    return str(result.get("msg") or "")


def _verdict(result: Result, canary: str) -> str:
    """The last verdict, unless a failed one decided."""
    judged = [each for each in result.get("judged") or [] if each.get("result")]
    if not judged or any(each["event"] == "failed" for each in result.get("transitions") or []):
        return ""
    last = judged[-1]
    return f"Last verdict, {canary} at {last['weights'].get(canary, 0)} %: {last['result']}. {last['why']}"


def _command(playbook: str, options: str) -> str:
    name, _space, own = playbook.partition(" ")
    return " ".join(word for word in ("ansible-playbook", f"progressive.istio.{name}", options, own) if word)


def _links(given: Mapping[str, str]) -> tuple[tuple[str, str, bool], ...]:
    """The name and the URL of each, and whether it may be followed: any other scheme could run a script."""
    return tuple((name, str(url), urlsplit(str(url)).scheme in ("http", "https")) for name, url in given.items() if url)


def _facts(result: Result) -> tuple[tuple[str, str], ...]:
    run = result.get("run") or {}
    who = " on ".join(str(run[key]) for key in ("who", "host") if run.get(key))
    steps = ", ".join(f"{weight} %" for weight in result.get("steps") or [])
    place = f"{result.get('namespace', '?')}/{result.get('name', '?')}"
    routes = result.get("routes") or []
    found = (
        ("Run by", who),
        ("VirtualService", f"{place}, {titled(routes)}" if routes else place),
        ("Service", result.get("destination_host")),
        ("Gateways", ", ".join(result.get("gateways") or [])),
        ("Cluster", result.get("context")),
        ("Steps", f"{steps}; step {result.get('step')} of {len(result['steps'])} reached" if steps else ""),
        ("Run", run.get("id")),
    )
    return tuple((name, str(value)) for name, value in found if value)


def _times(result: Result) -> list[datetime]:
    """The times of all events."""
    run = result.get("run") or {}
    found = [run.get("began"), run.get("ended")]
    found += [each.get("at") for each in result.get("transitions") or []]
    found += [each[key] for each in result.get("judged") or [] for key in ("since", "until")]
    return [moment(each) for each in found if each]


def _transition(written: Result) -> dict[str, Any]:
    live = written.get("live")
    return {
        **written,
        "at": moment(written["at"]),
        "event": written["event"].replace("_", " "),
        "shares": ", ".join(f"{name} {share} %" for name, share in sorted(written["weights"].items())),
        "live": milliseconds(live),
    }


def _unknown(result: Result) -> tuple[str, ...]:
    """What is missing on the page, and why."""
    found = []
    written = result.get("transitions") or []
    judged = result.get("judged") or []
    if not result.get("weights"):
        found.append("Nothing was written, and no weights or requests were read: the run ended before.")
    elif not judged:
        found.append(
            "Requests, errors and latencies: nothing was counted. The module canary counts while a step soaks if "
            "canary_analysis is set; the playbook page reads them from Prometheus if canary_analysis.prometheus.url is."
        )
    if any(each["versions"] and not any("p99" in one for one in each["versions"].values()) for each in judged):
        found.append(
            "Latencies of some steps: proxies update them every 5 s, and these ended before, or latency is off."
        )
    if any(not each["versions"] for each in judged):
        found.append("The counts at the end of some steps: they could not be read then, and the verdict says why.")
    moved = [each for each in written if each["event"] not in ("held", "confirmed", "adopted")]
    if "exists" in result:
        found.append(
            "When weights were live, and how each step was judged: the cluster keeps when and why they were set."
        )
    elif any(each.get("live") is None for each in moved):
        found.append("When some weights were live: their proxies were not asked, or not all of them ran it in time.")
    if judged and result.get("phase") == "promoted" and "exists" not in result:
        found.append(
            "How the canary does with all requests: at 100 % there is nothing to compare it with, so nothing is judged."
        )
    return tuple(found)
