# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""What the page of a run shows, from what the modules `canary` and `canary_info` return. Pure.

Every number is one that they returned, or the quotient of two of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._binomial import acceptance_range
from ansible_collections.progressive.istio.plugins.module_utils._state import attempt
from ansible_collections.progressive.istio.plugins.plugin_utils import _charts as charts
from ansible_collections.progressive.istio.plugins.plugin_utils._charts import Plot, Shape, Span, Tick

Result = Mapping[str, Any]

RANGES = 12  # moments of a step for which the range of its share is drawn
UNKNOWN = "–"
THIN = "\N{NARROW NO-BREAK SPACE}"  # between a number and its unit, and between its thousands
# By phase: the word for it, how it looks, and what to type next, as (why one would, playbook).
_BACK = ("All requests back to stable", "rollback")
_DOCTOR = ("See what is wrong", "doctor")
_STATUS = ("See where it stands", "status")
_PHASES: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "promoted": ("promoted", "good", (("Remove the old version", "cleanup"), _BACK)),
    "rolled_back": ("rolled back", "bad", (_DOCTOR, ("Try again, once it is mended", "canary -e canary_confirm=true"))),
    "held": ("held", "bad", (_DOCTOR, _BACK, ("Go on all the same", "canary -e canary_confirm=true"))),
    "paused": ("waits for a person", "open", (("Go on", "promote -e canary_confirm=true"), _BACK)),
    "progressing": ("under way", "open", (("Go on", "canary"), _BACK, _STATUS)),
    "weighted": ("set by hand", "open", (("Go all steps", "canary"), _BACK)),
    "none": ("not begun", "open", (("Go all steps", "canary"),)),
    "damaged": ("cannot be read", "bad", (_DOCTOR, _BACK)),
}
_REFUSED = ("stopped", "bad", (_DOCTOR, _STATUS, _BACK))


@dataclass(frozen=True)
class Number:
    """What a machine reads, and what a person does. value: None where nobody knows it."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Row:
    """One thing that was counted, of both versions. stable: None if it had no requests to have."""

    name: str
    stable: Number | None
    canary: Number | None
    limit: str = ""


@dataclass(frozen=True)
class Step:
    """A weight that was judged, or only counted (result is empty)."""

    weight: int
    result: str
    why: str
    since: datetime
    until: datetime
    seconds: Number
    rows: tuple[Row, ...]
    checks: tuple[Mapping[str, Any], ...]
    unattributed: int | None


@dataclass(frozen=True)
class Node:
    """A version in the graph of the traffic. share: percent; lines: what is known of it."""

    name: str
    role: str
    share: int
    lines: tuple[tuple[str, Number], ...]


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    stands: str
    tone: str
    sentence: str
    why: str
    verdict: str
    commands: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    began: datetime | None
    ended: datetime | None
    duration: str
    stable: str
    canary: str
    shares: tuple[tuple[str, int], ...]
    entrances: str
    service: str
    nodes: tuple[Node, ...]
    graph_of: str
    timeline: Plot | None
    multiples: tuple[tuple[str, str, Plot], ...]
    steps: tuple[Step, ...]
    transitions: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]
    unknown: tuple[str, ...]


def page_of(result: Result, app: str = "", limit: str = "") -> Page:
    """The page of a run. app: the service as people call it; limit: the host of the inventory, for commands."""
    stable, canary = result.get("stable", "stable"), result.get("canary", "canary")
    weights = result.get("weights") or {}
    shares = _ordered(weights.get("after") or {}, stable, canary)
    word, tone, following = _stands(result)
    steps = tuple(_step(each, stable, canary) for each in result.get("judged") or [])
    run = result.get("run") or {}
    times = _times(result)
    span = charts.span_of(times)
    service = result.get("destination_host") or UNKNOWN
    nodes, graph_of = _nodes(result, shares, stable, canary)
    return Page(
        title=f"{app or service.partition('.')[0]}: {stable} → {canary}, {word}",
        stands=word,
        tone=tone,
        sentence=", ".join(f"{name} has {share}{THIN}%" for name, share in shares.items()),
        why=_why(result),
        verdict=_verdict(result, canary),
        commands=tuple((why, _command(playbook, limit)) for why, playbook in following),
        facts=_facts(result, run),
        began=span.begin if span else None,
        ended=span.end if span else None,
        duration=duration((span.end - span.begin).total_seconds()) if span else UNKNOWN,
        stable=stable,
        canary=canary,
        shares=tuple(shares.items()),
        entrances=_entrances(result),
        service=service,
        nodes=nodes,
        graph_of=graph_of,
        timeline=_timeline(result, span, canary) if span and result.get("transitions") else None,
        multiples=_multiples(result, span, stable, canary) if span else (),
        steps=steps,
        transitions=tuple(_transition(each) for each in result.get("transitions") or []),
        warnings=tuple(dict.fromkeys(result.get("warnings") or [])),
        unknown=_unknown(result),
    )


def of_status(status: Result) -> dict[str, Any]:
    """What `canary_info` returns, as far as it goes, in the form of what `canary` does."""
    if not status.get("exists"):
        return {**status, "failed": True, "msg": status.get("summary", "there is no such canary")}
    stable, canary = status["stable"], status["canary"]
    ours = [past for past in status["history"] if past["canary"] == canary]
    ours = ours[attempt([(past["event"], past["weight"]) for past in ours]) :]
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


def moment(text: str) -> datetime:
    """A time as the modules write it."""
    return datetime.fromisoformat(text)


def percent(share: float | None) -> Number:
    """A share of 0 to 1, as the module's own sentences have it."""
    return Number(share, UNKNOWN if share is None else f"{share * 100:.3g}{THIN}%")


def milliseconds(value: float | None) -> Number:
    """A time in milliseconds."""
    if value is None:
        return Number(None, UNKNOWN)
    return Number(value, f"{value / 1000:.3g}{THIN}s" if value >= 1000 else f"{value:.3g}{THIN}ms")


def count(value: int) -> Number:
    """A number of requests."""
    return Number(value, f"{value:,}".replace(",", THIN))


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{THIN}s" if whole >= 10 else f"{seconds:.1f}{THIN}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number}{THIN}{unit}" for number, unit in parts if number)


def _stands(result: Result) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Where it stands in a word. A run that failed is never good, wherever the release stands."""
    found = _PHASES.get(result.get("phase") or "", _REFUSED)
    if result.get("failed") and found[1] != "bad":
        return _REFUSED if "phase" not in result else (f"{found[0]}, stopped", "bad", (_DOCTOR, *found[2]))
    return found


def _why(result: Result) -> str:
    """The reason that a person looks for first."""
    written = result.get("transitions") or []
    decided = written and written[-1]["event"] in ("failed", "held", "rolled_back")
    if result.get("verdict"):
        return str(result["verdict"])
    if written and (decided or not result.get("failed")):
        return str(written[-1]["why"])
    return str(result.get("msg") or "")


def _verdict(result: Result, canary: str) -> str:
    """The last one that did not decide by itself."""
    judged = [each for each in result.get("judged") or [] if each.get("result")]
    if not judged or any(each["event"] == "failed" for each in result.get("transitions") or []):
        return ""
    last = judged[-1]
    return f"Last verdict, {canary} at {last['weights'].get(canary, 0)} %: {last['result']}. {last['why']}"


def _ordered(shares: Mapping[str, int], *first: str) -> dict[str, int]:
    """The same, in the order in which the page speaks of versions."""
    return {name: shares[name] for name in dict.fromkeys((*first, *sorted(shares))) if name in shares}


def _command(playbook: str, limit: str) -> str:
    name, _space, options = playbook.partition(" ")
    words = ["ansible-playbook", f"progressive.istio.{name}", *([f"--limit {limit}"] if limit else []), options]
    return " ".join(word for word in words if word)


def _facts(result: Result, run: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    who = " on ".join(str(run[key]) for key in ("who", "host") if run.get(key))
    steps = ", ".join(f"{weight} %" for weight in result.get("steps") or [])
    place = f"{result.get('namespace', '?')}/{result.get('name', '?')}"
    found = (
        ("Run by", who),
        ("VirtualService", f"{place}, HTTP route {result['route']}" if result.get("route") else place),
        ("Service", result.get("destination_host")),
        ("Cluster", result.get("context")),
        ("Steps", f"{steps}; step {result.get('step')} of {len(result['steps'])} reached" if steps else ""),
        ("Run", run.get("id")),
    )
    return tuple((name, str(value)) for name, value in found if value)


def _times(result: Result) -> list[datetime]:
    """All that happened; of a run from its begin to its end."""
    run = result.get("run") or {}
    found = [run.get("began"), run.get("ended")]
    found += [each.get("at") for each in result.get("transitions") or []]
    found += [each[key] for each in result.get("judged") or [] for key in ("since", "until")]
    return [moment(each) for each in found if each]


def _entrances(result: Result) -> str:
    """The proxies where requests come in, without the part of their names that changes."""
    names = [each["proxy"].rpartition("/")[2] for each in result.get("live") or []]
    short = dict.fromkeys(name.rsplit("-", 2)[0] for name in names)
    return ", ".join(short) or "ingress"


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _observed(versions: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    return _share(versions.get(name, {}).get("requests", 0), sum(each["requests"] for each in versions.values()))


def _success(counted: Mapping[str, Any]) -> float | None:
    failed = _share(counted["failed"], counted["requests"])
    return None if failed is None else 1 - failed


def _step(judged: Result, stable: str, canary: str) -> Step:
    return Step(
        weight=judged["weights"].get(canary, 0),
        result=judged.get("result") or "",
        why=judged.get("why") or "",
        since=moment(judged["since"]),
        until=moment(judged["until"]),
        seconds=Number(judged["seconds"], duration(judged["seconds"])),
        rows=_rows(judged, stable, canary),
        checks=tuple(judged.get("checks") or []),
        unattributed=judged.get("unattributed"),
    )


def _rows(judged: Result, stable: str, canary: str) -> tuple[Row, ...]:
    """What was counted of both, and what may be."""
    versions, limits, seconds = judged["versions"], judged.get("limits") or {}, judged["seconds"]
    if not versions:
        return ()
    total = sum(each["requests"] for each in versions.values())
    weight = judged["weights"].get(canary, 0) / 100
    likely = acceptance_range(total, weight)
    enough = limits.get("minimum_requests")
    slow = limits.get("threshold_ms")

    def row(name: str, of: Any, limit: str = "") -> Row:
        found = [of(versions[each]) if each in versions else None for each in (stable, canary)]
        return Row(name, found[0], found[1], limit)

    rows = [
        Row(
            "Weight",
            *(Number(judged["weights"][each], f"{judged['weights'][each]}{THIN}%") if each in judged["weights"] else None
              for each in (stable, canary)),
        ),
        Row(
            "Seen",
            *(percent(_observed(versions, each)) if each in versions else None for each in (stable, canary)),
            f"{likely.low / total * 100:.3g}–{likely.high / total * 100:.3g}{THIN}%" if total and 0 < weight < 1 else "",
        ),
        row("Requests", lambda each: count(each["requests"]), f"≥{THIN}{enough}" if enough else ""),
        row("Req/s", lambda each: _rate(each["requests"], seconds)),
        row("Failed", lambda each: count(each["failed"])),
        row(
            "Success",
            lambda each: percent(_success(each)),
            f"≥{THIN}{(1 - limits['max_error']) * 100:.4g}{THIN}%" if "max_error" in limits else "",
        ),
    ]
    for name in ("p50", "p95", "p99"):
        if any(name in each for each in versions.values()):
            rows.append(row(name, lambda each, name=name: milliseconds(each.get(name))))
    if slow is not None and any("slow" in each for each in versions.values()):
        rows.append(
            row(
                f">{THIN}{slow:g}{THIN}ms",
                lambda each: percent(_share(each.get("slow", 0), each.get("timed", 0))),
                f"≤{THIN}{limits['max_slow'] * 100:.3g}{THIN}%",
            )
        )
    return tuple(each for each in rows if any(one and one.value is not None for one in (each.stable, each.canary)))


def _rate(requests: int, seconds: float) -> Number:
    rate = _share(requests, seconds)
    return Number(rate, UNKNOWN if rate is None else f"{rate:.3g}")


def _nodes(result: Result, shares: Mapping[str, int], stable: str, canary: str) -> tuple[tuple[Node, ...], str]:
    """The versions as they were when requests were counted last, else as they are; and which of these it is."""
    counted = [each for each in result.get("judged") or [] if each["versions"]]
    roles = {stable: "stable", canary: "canary"}
    if not counted:
        nodes = tuple(Node(name, roles.get(name, "other"), share, ()) for name, share in shares.items())
        return nodes, "by the weights that are set; no requests were counted"
    last = counted[-1]
    nodes = tuple(
        Node(name, roles.get(name, "other"), share, _lines(last, name)) for name, share in _ordered(last["weights"], stable, canary).items()
    )
    return nodes, f"while {canary} had {last['weights'].get(canary, 0)} %, counted over {duration(last['seconds'])}"


def _lines(judged: Result, name: str) -> tuple[tuple[str, Number], ...]:
    counted = judged["versions"].get(name)
    if counted is None:
        return ()
    failed = _share(counted["failed"], counted["requests"])
    return (
        ("seen", percent(_observed(judged["versions"], name))),
        ("req/s", _rate(counted["requests"], judged["seconds"])),
        ("failed", percent(failed)),
        ("p99", milliseconds(counted.get("p99"))),
    )


def _transition(written: Result) -> dict[str, Any]:
    live = written.get("live")
    return {
        **written,
        "at": moment(written["at"]),
        "event": written["event"].replace("_", " "),
        "shares": ", ".join(f"{name} {share} %" for name, share in sorted(written["weights"].items())),
        "live": milliseconds(live),
    }


def _timeline(result: Result, span: Span, canary: str) -> Plot:
    """The weight that was wanted, when it was live, and the share that was seen."""
    y = charts.linear(0, 100)
    written = result["transitions"]
    before = (result["weights"].get("before") or {}).get(canary)
    points = [(moment(each["at"]), float(each["weights"].get(canary, 0))) for each in written]
    if before is not None:
        points = [(span.begin, float(before)), *points]
    shapes = [Shape("grid", charts.level(each, y)) for each in (0, 25, 50, 75, 100)]
    judged = [each for each in result.get("judged") or [] if each["samples"]]
    for each in judged:
        shapes += _seen(each, canary, span, y)
    shapes.append(Shape("wanted", charts.steps(points, span.end, span, y)))
    for each in written:
        if each.get("live") is not None:
            at, weight = moment(each["at"]), each["weights"].get(canary, 0)
            tip = f"{weight} % live in all proxies {milliseconds(each['live']).text} after the write"
            shapes.append(Shape("live", charts.dot(at, weight, span, y), tip))
    told = [f"{each['weights'].get(canary, 0)} % at {moment(each['at']):%H:%M:%S}" for each in written]
    says = f"Weight of {canary} over time, UTC: {', '.join(told) or 'nothing was written'}."
    up = tuple(Tick(100.0 - each, f"{each} %") for each in (0, 25, 50, 75, 100))
    return Plot(f"Share of {canary}", says, span.ticks(), up, tuple(shapes))


def _seen(judged: Result, canary: str, span: Span, y: Any) -> list[Shape]:
    """The share of the canary so far, look by look, and the range that its weight explains."""
    samples, weight = judged["samples"], judged["weights"].get(canary, 0) / 100
    totals = [(moment(each["at"]), sum(one["requests"] for one in each["versions"].values())) for each in samples]
    every = max(1, len(totals) // RANGES)
    chosen = [each for each in (*totals[:-1:every], totals[-1]) if each[1]]
    ranges = [(at, acceptance_range(total, weight), total) for at, total in chosen]
    area = [(at, found.low / total * 100, found.high / total * 100) for at, found, total in ranges]
    shares = [(moment(each["at"]), _observed(each["versions"], canary)) for each in samples]
    points = [(at, share * 100) for at, share in shares if share is not None]
    if not points:
        return []
    tip = f"{points[-1][1]:.3g} % of {totals[-1][1]} requests went to {canary}, whose weight was {weight * 100:.3g} %"
    return [
        Shape("range", charts.band(area, span, y), "what this weight explains, 99.9 %"),
        Shape("seen", charts.line(points, span, y)),
        Shape("at seen", charts.dot(*points[-1], span, y), tip),
    ]


def _multiples(result: Result, span: Span, stable: str, canary: str) -> tuple[tuple[str, str, Plot], ...]:
    """Success rate and latency of each version against the limits, as (version, what, plot)."""
    judged = [each for each in result.get("judged") or [] if each["samples"]]
    if not judged:
        return ()
    limits = judged[-1].get("limits") or {}
    found: list[tuple[str, str, Plot]] = []
    rates = {each: _series(judged, each, _success) for each in (stable, canary)}
    least = None if "max_error" not in limits else 1 - limits["max_error"]
    known = [value for lines in rates.values() for points in lines for _at, value in points]
    low = charts.floor_below(min([*known, *([least] if least is not None else [])], default=1.0))
    y = charts.linear(low, 1.0)
    up = tuple(Tick(y(each) / charts.SIDE * 100, f"{each * 100:.4g} %") for each in (low, (low + 1) / 2, 1.0))
    for name, lines in rates.items():
        if lines:
            found.append(("success rate", name, _multiple("Success rate", name, lines, least, span, y, up, _rated)))
    slow = {
        (each, which): _series(judged, each, lambda one, which=which: one.get(which))
        for each in (stable, canary)
        for which in ("p50", "p99")
    }
    threshold = limits.get("threshold_ms")
    values = [value for lines in slow.values() for points in lines for _at, value in points]
    if not values:
        return tuple(found)
    low, high = charts.decades([*values, *([threshold] if threshold else [])])
    y = charts.logarithmic(low, high)
    ticks = [low]
    while ticks[-1] < high:
        ticks.append(ticks[-1] * 10)
    up = tuple(Tick(y(each) / charts.SIDE * 100, milliseconds(each).text) for each in ticks)
    for name in (stable, canary):
        if slow[name, "p99"]:
            plot = _multiple("Latency", name, slow[name, "p99"], threshold, span, y, up, _timed)
            halves = tuple(Shape("half", charts.line(points, span, y)) for points in slow[name, "p50"])
            found.append(("latency", name, Plot(plot.name, plot.says, plot.across, plot.up, (*plot.shapes, *halves))))
    return tuple(found)


def _series(judged: Sequence[Result], name: str, of: Any) -> list[list[tuple[datetime, float]]]:
    """A number of one version look by look, one line a step, for each begins to count anew."""
    lines = []
    for each in judged:
        values = [
            (moment(sample["at"]), of(sample["versions"][name])) for sample in each["samples"] if name in sample["versions"]
        ]
        points = [(at, value) for at, value in values if value is not None]
        if points:
            lines.append(points)
    return lines


def _multiple(
    what: str,
    name: str,
    lines: Sequence[Sequence[tuple[datetime, float]]],
    limit: float | None,
    span: Span,
    y: Any,
    up: tuple[Tick, ...],
    said: Any,
) -> Plot:
    shapes = [Shape("grid", f"M0 {tick.at * charts.SIDE / 100:.1f}H{charts.SIDE:.0f}") for tick in up]
    if limit is not None:
        shapes.append(Shape("limit", charts.level(limit, y), f"limit {said(limit)}"))
    shapes += [Shape("line", charts.line(points, span, y)) for points in lines]
    shapes += [Shape("at line", charts.dot(*points[-1], span, y), said(points[-1][1])) for points in lines]
    ends = ", ".join(said(points[-1][1]) for points in lines)
    against = f"; the limit is {said(limit)}" if limit is not None else ""
    return Plot(f"{what} of {name}", f"{what} of {name} at the end of each step: {ends}{against}.", span.ticks(), up, tuple(shapes))


def _rated(value: float) -> str:
    return percent(value).text


def _timed(value: float) -> str:
    return milliseconds(value).text


def _unknown(result: Result) -> tuple[str, ...]:
    """What a reader may look for in vain, and why it is not there."""
    found = []
    written = [each for each in result.get("transitions") or []]
    judged = result.get("judged") or []
    if not result.get("weights"):
        found.append("Nothing was written and nothing was read of the route: the run ended before.")
    elif not judged:
        found.append(
            "Requests, errors and latencies: nothing was counted. The module canary counts while a step soaks if "
            "canary_analysis is set; the playbook page reads them from Prometheus if canary_analysis.prometheus.url is."
        )
    if any(each["versions"] and not any("p99" in one for one in each["versions"].values()) for each in judged):
        found.append("Latencies of some steps: the proxies tell them every 5 s, and these ended before, or latency is off.")
    if any(not each["versions"] for each in judged):
        found.append("The counts at the end of some steps: they could not be read then, and the verdict says why.")
    moved = [each for each in written if each["event"] not in ("held", "confirmed", "adopted")]
    if "exists" in result:
        found.append("When weights were live, and how each step was judged: the cluster keeps when and why they were set.")
    elif any(each.get("live") is None for each in moved):
        found.append("When some weights were live: their proxies were not asked, or not all of them ran it in time.")
    if judged and result.get("phase") == "promoted" and "exists" not in result:
        found.append("How the canary does with all requests: at 100 % there is nothing to compare it with, so nothing is judged.")
    return tuple(found)
