# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that show a user how a release progresses.

A module in a process of its own cannot print while it runs. It writes lines to a file, and the action plugin shows them
as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path

from .._common.printable import printable
from .._common.shares import Share
from .._release.state import Phase, State
from .._rollout.context import Outcome
from .._rollout.snapshot import Snapshot

WIDTH = 20
WAITS = "paused: waits for a user to confirm"


def teller(file: str | None) -> Callable[[Snapshot, str], None]:
    """Return what appends lines about a service to the file, or drops them where there is no file."""

    def tell(snapshot: Snapshot, line: str) -> None:
        if file:
            with Path(file).open("a", encoding="utf-8") as lines:
                lines.write(f"{progress_line(snapshot, line)}\n")

    return tell


def progress_line(snapshot: Snapshot, line: str) -> str:
    """A line about a service with its name and weight, safe for a terminal."""
    return f"{printable(_head(snapshot))}  {printable(line)}"


def weight_bar(weight: Share) -> str:
    """The weight as a bar, in plain characters for any terminal and log."""
    filled = round(weight * WIDTH / 100)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {weight!s:>3} %"


def step_line(outcome: Outcome, seconds: float) -> str:
    """One step: the service, the bar, the step, the pods, when it was live, and how long it soaks."""
    snapshot = outcome.snapshot
    parts = []
    state = snapshot.state
    if isinstance(state, State) and state.steps:
        parts.append(f"step {state.step + 1} of {len(state.steps)}")
    canary = snapshot.versions[snapshot.target.canary]
    parts.append(f"{canary.name}: {canary.count} {'pod' if canary.total == 1 else 'pods'} ready")
    if outcome.live and not outcome.failed:
        sample = f" ({outcome.extent.sample} asked)" if outcome.extent and outcome.extent.sample else ""
        parts.append(f"live in {outcome.live_after * 1000:.0f} ms{sample}")
    if outcome.failed:
        parts.append("not live")
    elif seconds > 0:
        parts.append(f"soaks {ceil(seconds)} s")
    elif isinstance(state, State):
        parts.append(WAITS if state.phase is Phase.PAUSED else state.phase.replace("_", " "))
    return "  ".join(parts)


def verdict_line(outcome: Outcome) -> str:
    """What a step came to, with the numbers that it rests on."""
    judgement = outcome.judgement
    if judgement is None:
        return ""
    passed = judgement.result == "pass" and judgement.checks  # then the first of them says enough
    why = judgement.checks[0].why if passed else judgement.why
    coverage = str(outcome.measurements.last.coverage or "") if outcome.measurements and passed else ""
    p99 = judgement.percentiles.get(outcome.snapshot.target.canary, {}).get("p99")
    parts = [judgement.result, why, f"p99 {p99:.3g} ms" if p99 else "", coverage]
    return "  ".join(filter(None, parts))


def _head(snapshot: Snapshot) -> str:
    target = snapshot.target
    return f"{target.namespace}/{target.name}  {weight_bar(snapshot.all_shares.get(target.canary, 0))}"
