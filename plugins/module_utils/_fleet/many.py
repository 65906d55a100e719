# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `canaries`: one step of many canaries, side by side in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .._canary.call import CanaryTask, failure_of
from .._canary.options import ARGUMENTS
from .._common.call import Call
from .._common.text import plural
from .._k8s.auth import AUTH_ARGUMENTS, ClusterError
from .._k8s.client import Cluster, connect
from .._report.together import together
from .entries import Entry, entries_of
from .shared_cluster import SharedCluster
from .shared_streams import SharedStreams
from .stop import InvalidLimit, StopRule

Result = dict[str, Any]

RUN = ARGUMENTS["run"]["options"]
SPEC: dict[str, Any] = {
    "argument_spec": {
        **AUTH_ARGUMENTS,
        "canaries": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["weighted", "advanced", "rolled_back", "held"], "required": True},
        "max_in_flight": {"type": "int", "default": 60},
        "max_failures": {"type": "raw"},
        "on_max_failures": {"type": "str", "choices": ["hold", "rollback"], "default": "hold"},
        "run": {"type": "dict", "options": {name: RUN[name] for name in RUN if name != "progress"}},
    }
}

TAKEN_BACK = "other canaries of the same call failed"
SAID = 3  # failures that the message tells; each is in its own result


def answer(call: Call) -> Result:
    """The result of a call: that of each canary in `results`, in the order in which they were given."""
    params, mistakes = call.params, list[str]()
    try:
        rule = StopRule.of(params["max_failures"], len(params["canaries"]))
    except InvalidLimit as error:
        rule, mistakes = StopRule(None), [str(error)]
    if params["max_in_flight"] < 1:
        mistakes.append(f"max_in_flight is {params['max_in_flight']}: it must be at least 1")
    entries, wrong = entries_of(params)
    rolls_back = params["state"] == "rolled_back"
    # A mistake in one entry keeps no other service on its canary.
    if mistakes or (wrong and not rolls_back) or not entries:
        return failure_of([*mistakes, *wrong] or ["canaries is empty: name at least one"]) | {"changed": False}
    try:
        cluster = connect(params, SharedCluster)
    except ClusterError as error:
        return failure_of([*error.mistakes]) | {"changed": False}
    streams = SharedStreams()
    try:
        fleet = _Fleet(call, cluster, streams, StopRule(None) if rolls_back else rule)
        results = fleet.run(entries, params["max_in_flight"])
        if fleet.stopped and params["on_max_failures"] == "rollback":
            results = fleet.taken_back(entries, results, params["max_in_flight"])
    finally:
        streams.close()
    return _summed(call, results, wrong, fleet.stopped) | cluster.facts()


@dataclass
class _Fleet:
    call: Call
    cluster: Cluster
    streams: SharedStreams
    rule: StopRule
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: int = 0

    @property
    def stopped(self) -> bool:
        """Whether more have failed than may."""
        return self.rule.broken(self._failures)

    def run(self, entries: Sequence[Entry], at_once: int) -> list[Result]:
        """The result of each. Once more have failed than may, no other begins."""
        return self._each(entries, at_once, self._one)

    def taken_back(self, entries: Sequence[Entry], results: Sequence[Result], at_once: int) -> list[Result]:
        """The results, with those that were moved rolled back."""
        back = [entry.rollback(TAKEN_BACK) for entry, each in zip(entries, results, strict=True) if each["changed"]]
        undone = iter(self._each(back, at_once, self._answered))
        return [_undone(each, next(undone)) if each["changed"] else each for each in results]

    def _each(self, entries: Sequence[Entry], at_once: int, do: Callable[[Entry], Result]) -> list[Result]:
        with ThreadPoolExecutor(min(at_once, len(entries) or 1), thread_name_prefix="canary") as threads:
            return list(threads.map(do, entries))

    def _one(self, entry: Entry) -> Result:
        if self.stopped:
            why = f"not begun, since {plural(self._failures, 'canary', 'canaries')} of this call failed"
            return entry.named | {"changed": False, "skipped": True, "msg": why}
        result = self._answered(entry)
        if result.get("failed"):
            with self._lock:
                self._failures += 1
        return result

    def _answered(self, entry: Entry) -> Result:
        warnings: list[str] = []
        call = Call(dict(entry.params), self.call.check_mode, self.call.diff, warnings.append)
        with CanaryTask(findings=False, cluster=self.cluster, dial=self.streams.dial) as task:
            result = task.answer(call)
        result.pop("api_requests", None)  # those of all canaries are counted together
        return result | ({"warnings": warnings} if warnings else {})


def _undone(moved: Result, back: Result) -> Result:
    """The result of a canary that was moved, which may have failed, and then rolled back."""
    both = together(moved, back) | {"undone": True}
    return both | ({"failed": True, "msg": f"{moved['msg']}; {back['msg']}"} if moved.get("failed") else {})


def _summed(call: Call, results: Sequence[Result], wrong: Sequence[str], stopped: bool) -> Result:
    failed = [each for each in results if each.get("failed")]
    changed = sum(bool(each["changed"]) for each in results)
    left = sum(bool(each.get("skipped")) for each in results)
    of = f"{changed} of {plural(len(call.params['canaries']), 'canary', 'canaries')}"
    counts = [f"{of} would be moved" if call.check_mode else f"{of} moved"]
    counts += [f"{len(failed) + len(wrong)} failed"] if failed or wrong else []
    counts += [f"{left} not begun"] if left else []
    reasons = [*(str(each["msg"]) for each in failed), *wrong]
    more = [f"and {len(reasons) - SAID} more"] if len(reasons) > SAID else []
    diff = [each.pop("diff") for each in results if "diff" in each]
    return {
        "changed": bool(changed),
        "failed": bool(reasons),
        "msg": "; ".join([", ".join(counts), *reasons[:SAID], *more]),
        "stopped": stopped,
        "results": list(results),
        **({"mistakes": list(wrong)} if wrong else {}),
        **({"diff": diff} if diff else {}),
    }
