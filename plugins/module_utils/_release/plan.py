# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a release: which versions, by which steps, how long each, and what a failure does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from .._common.values import LONGEST, seconds, show, truth, whole

OnFailure = Literal["rollback", "hold", "step_down"]

LONGEST_INTERVAL = LONGEST
_EXAMPLE = "such as [5, 20, 50, 100]"


@dataclass(frozen=True)
class Step:
    """One weight of a plan.

    weight: percent of the requests that go to the canary, 1 to 100.
    pause: the step waits for a command with confirm before the next one.
    extra: fields of a newer writer, kept as they were read.
    """

    weight: int
    pause: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a caller asks for; made by validate().

    stable, canary: subset names, different from each other.
    steps: strictly rising. Empty means: the steps that the cluster's state already holds. A last step below 100 is a
        partial release, which stays `progressing` at that weight until a plan with a higher step is given.
    interval: seconds that each weight above 0 stays before it may be raised, 0 to LONGEST_INTERVAL.
    on_failure: `rollback` (all to stable at once), `hold` (keep the weight, wait for a confirm) or `step_down` (to the
        step before, then wait for a confirm; from the first step it is a rollback).
    weight: that of `state: weighted`, 0 to 100.
    """

    stable: str
    canary: str
    steps: tuple[Step, ...] = ()
    interval: float = 0.0
    on_failure: OnFailure = "rollback"
    weight: int | None = None


class InvalidPlan(ValueError):
    """A plan that cannot be meant. mistakes: all of them, one sentence each, in the order of the options."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


def validate(
    *,
    stable: object,
    canary: object,
    steps: object = None,
    step_weight: object = None,
    max_weight: object = None,
    interval: object = 0,
    on_failure: object = "rollback",
    weight: object = None,
) -> Plan:
    """The plan that these options mean, or InvalidPlan with all mistakes at once.

    steps: a list of weights and of mappings {weight, pause}. step_weight and max_weight say the same in short: weights
    in equal steps up to max_weight (default 100), then 100: step_weight=20, max_weight=50 is [20, 40, 50, 100].
    With neither the plan has no steps. Numbers may come as text, as templating makes them.
    """
    mistakes: list[str] = []
    for option, name in (("stable", stable), ("canary", canary)):
        if not isinstance(name, str) or not name.strip():
            mistakes.append(f"{option} is {show(name)}: it must be the name of a subset, such as v1")
    if stable == canary and isinstance(stable, str) and stable.strip():
        mistakes.append(f"stable and canary are both {stable}: they must be two different subsets")
    share = whole(weight, 0, 100)
    if weight is not None and share is None:
        mistakes.append(f"weight is {show(weight)}: it must be a whole number from 0 to 100")
    if steps is not None:
        path = _listed(steps, mistakes)
        if step_weight is not None or max_weight is not None:
            mistakes.append("steps and step_weight/max_weight are given: they say the same, give one of them")
    else:
        path = _even(step_weight, max_weight, mistakes)
    soak = seconds(interval)
    if soak is None:
        mistakes.append(f"interval is {show(interval)}: it must be a number of seconds from 0 to {LONGEST_INTERVAL}")
    policy = next((known for known in get_args(OnFailure) if known == on_failure), None)
    if policy is None:
        mistakes.append(f"on_failure is {show(on_failure)}: it must be one of {', '.join(get_args(OnFailure))}")
    if mistakes or soak is None or policy is None:
        raise InvalidPlan(mistakes)
    return Plan(str(stable), str(canary), path, soak, policy, share)


def rising(steps: tuple[Step, ...]) -> bool:
    """Whether the weights lie in 1 to 100 and each is higher than the one before."""
    weights = [0, *(step.weight for step in steps)]
    return all(low < high <= 100 for low, high in pairwise(weights))


def _listed(steps: object, mistakes: list[str]) -> tuple[Step, ...]:
    if not isinstance(steps, (list, tuple)):
        mistakes.append(f"steps is {show(steps)}: it must be a list of weights, {_EXAMPLE}")
        return ()
    if not steps:
        mistakes.append(f"steps is empty: give at least one weight, {_EXAMPLE}")
    path: list[Step] = []
    for index, given in enumerate(steps):
        step = _step(f"steps[{index}]", given, mistakes)
        if step is None:
            continue
        if path and step.weight == path[-1].weight:
            mistakes.append(f"steps[{index}] repeats {step.weight}: each weight must be higher than the one before")
        elif path and step.weight < path[-1].weight:
            mistakes.append(
                f"steps[{index}] falls from {path[-1].weight} to {step.weight}: "
                "each weight must be higher than the one before"
            )
        path.append(step)
    return tuple(path)


def _step(where: str, given: object, mistakes: list[str]) -> Step | None:
    fields = given if isinstance(given, Mapping) else {"weight": given}
    unknown = sorted(str(key) for key in fields if key not in ("weight", "pause"))
    if unknown:
        mistakes.append(f"{where} has {', '.join(unknown)}: a step has only weight and pause")
    pause = fields.get("pause", False)
    paused = truth(pause)
    if paused is None:
        mistakes.append(f"{where}.pause is {show(pause)}: it must be true or false")
    weight = whole(fields.get("weight"), 1, 100)
    if weight is None:
        mistakes.append(f"{where} is {show(fields.get('weight'))}: a weight must be a whole number from 1 to 100")
        return None
    return Step(weight, bool(paused))


def _even(step_weight: object, max_weight: object, mistakes: list[str]) -> tuple[Step, ...]:
    if step_weight is None:
        if max_weight is not None:
            mistakes.append("max_weight is given without step_weight: give both, or steps")
        return ()
    width = whole(step_weight, 1, 100)
    top = 100 if max_weight is None else whole(max_weight, 1, 100)
    if width is None:
        mistakes.append(f"step_weight is {show(step_weight)}: it must be a whole number from 1 to 100")
    if top is None:
        mistakes.append(f"max_weight is {show(max_weight)}: it must be a whole number from 1 to 100")
    if width is None or top is None:
        return ()
    weights = sorted({*range(width, top, width), top, 100})
    return tuple(Step(weight) for weight in weights)
