# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is what was meant, or a list of everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import (
    LONGEST_INTERVAL,
    InvalidPlan,
    Plan,
    Step,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def plan(**options: Any) -> Plan:
    return validate(**{"stable": "v1", "canary": "v2", **options})


def mistakes(**options: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidPlan) as caught:
        plan(**options)
    assert str(caught.value) == "; ".join(caught.value.mistakes)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, []),
        ({"steps": [5, 20, 50, 100]}, [5, 20, 50, 100]),
        ({"steps": [100]}, [100]),
        ({"steps": [1, 99]}, [1, 99]),
        ({"steps": ["5", " 20\x1f", 50.0]}, [5, 20, 50]),
        ({"steps": (10, {"weight": 20}, {"weight": "30", "pause": False})}, [10, 20, 30]),
        ({"step_weight": 25}, [25, 50, 75, 100]),
        ({"step_weight": 30}, [30, 60, 90, 100]),
        ({"step_weight": 20, "max_weight": 50}, [20, 40, 50, 100]),
        ({"step_weight": "10", "max_weight": "30"}, [10, 20, 30, 100]),
        ({"step_weight": 60, "max_weight": 50}, [50, 100]),
        ({"step_weight": 100}, [100]),
        ({"step_weight": 1}, list(range(1, 101))),
    ],
)
def test_weights(options: dict[str, Any], weights: list[int]) -> None:
    assert [step.weight for step in plan(**options).steps] == weights


@pytest.mark.parametrize("pause", [True, "true", "Yes"])
def test_a_step_may_pause(pause: object) -> None:
    assert plan(steps=[{"weight": 10, "pause": pause}, 20]).steps == (Step(10, pause=True), Step(20))


@pytest.mark.parametrize(("interval", "seconds"), [(0, 0), (60, 60), (0.5, 0.5), ("60", 60), (LONGEST_INTERVAL,) * 2])
def test_interval(interval: object, seconds: float) -> None:
    assert plan(interval=interval).interval == seconds


@pytest.mark.parametrize("policy", ["rollback", "hold", "step_down"])
def test_on_failure(policy: str) -> None:
    assert plan(on_failure=policy).on_failure == policy


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": []}, "steps is empty: give at least one weight, such as [5, 20, 50, 100]"),
        ({"steps": "5-100"}, "steps is '5-100': it must be a list of weights, such as [5, 20, 50, 100]"),
        ({"steps": {"weight": 5}}, "steps is {'weight': 5}: it must be a list of weights, such as [5, 20, 50, 100]"),
        ({"steps": [50, 20]}, "steps[1] falls from 50 to 20: each weight must be higher than the one before"),
        ({"steps": [20, 20]}, "steps[1] repeats 20: each weight must be higher than the one before"),
        ({"steps": [101]}, "steps[0] is 101: a weight must be a whole number from 1 to 100"),
        ({"steps": [0]}, "steps[0] is 0: a weight must be a whole number from 1 to 100"),
        ({"steps": [-1]}, "steps[0] is -1: a weight must be a whole number from 1 to 100"),
        ({"steps": [10.5]}, "steps[0] is 10.5: a weight must be a whole number from 1 to 100"),
        ({"steps": [True]}, "steps[0] is True: a weight must be a whole number from 1 to 100"),
        ({"steps": ["10%"]}, "steps[0] is '10%': a weight must be a whole number from 1 to 100"),
        ({"steps": ["5 0"]}, "steps[0] is '5 0': a weight must be a whole number from 1 to 100"),
        ({"steps": ["9" * 5000]}, f"steps[0] is '{'9' * 56}...: a weight must be a whole number from 1 to 100"),
        ({"steps": [float("nan")]}, "steps[0] is nan: a weight must be a whole number from 1 to 100"),
        ({"steps": [None]}, "steps[0] is missing: a weight must be a whole number from 1 to 100"),
        ({"steps": [{"pause": True}]}, "steps[0] is missing: a weight must be a whole number from 1 to 100"),
        ({"steps": [{"weight": 5, "pause": 60}]}, "steps[0].pause is 60: it must be true or false"),
        ({"steps": [{"weight": 5, "wait": 1}]}, "steps[0] has wait: a step has only weight and pause"),
        ({"step_weight": 0}, "step_weight is 0: it must be a whole number from 1 to 100"),
        ({"step_weight": 5, "max_weight": 101}, "max_weight is 101: it must be a whole number from 1 to 100"),
        ({"max_weight": 50}, "max_weight is given without step_weight: give both, or steps"),
        (
            {"steps": [5], "step_weight": 5},
            "steps and step_weight/max_weight are given: they say the same, give one of them",
        ),
        ({"interval": -1}, "interval is -1: it must be a number of seconds from 0 to 31536000"),
        ({"interval": "5m"}, "interval is '5m': it must be a number of seconds from 0 to 31536000"),
        ({"interval": True}, "interval is True: it must be a number of seconds from 0 to 31536000"),
        ({"interval": float("nan")}, "interval is nan: it must be a number of seconds from 0 to 31536000"),
        ({"interval": "inf"}, "interval is 'inf': it must be a number of seconds from 0 to 31536000"),
        ({"interval": 10**400}, f"interval is 1{'0' * 56}...: it must be a number of seconds from 0 to 31536000"),
        ({"interval": LONGEST_INTERVAL + 1}, "interval is 31536001: it must be a number of seconds from 0 to 31536000"),
        ({"on_failure": "panic"}, "on_failure is 'panic': it must be one of rollback, hold, step_down"),
        ({"weight": 101}, "weight is 101: it must be a whole number from 0 to 100"),
        ({"weight": "abc"}, "weight is 'abc': it must be a whole number from 0 to 100"),
        ({"weight": False}, "weight is False: it must be a whole number from 0 to 100"),
        ({"canary": "v1"}, "stable and canary are both v1: they must be two different subsets"),
        ({"stable": ""}, "stable is '': it must be the name of a subset, such as v1"),
        ({"canary": None}, "canary is missing: it must be the name of a subset, such as v1"),
    ],
)
def test_mistake(options: dict[str, Any], sentence: str) -> None:
    assert mistakes(**options) == (sentence,)


def test_all_mistakes_at_once() -> None:
    found = mistakes(canary="v1", steps=[30, 20, 20, "x"], interval=-5, on_failure="no", weight=-1)
    assert [sentence.split()[0] for sentence in found] == [
        "stable",
        "weight",
        "steps[1]",
        "steps[2]",
        "steps[3]",
        "interval",
        "on_failure",
    ]


@pytest.mark.parametrize("weight", [0, 100, "20", 20.0])
def test_a_weight_by_hand_is_parsed(weight: object) -> None:
    assert plan(weight=weight) == replace(plan(), weight=int(float(str(weight))))


# What numbers are made of, and what only looks like it. All of Unicode would take seconds to be put into a table first.
TEXT = st.text("0123456789 .,-+_%eExnaifNAIF\x1f\u00a0²½٣", max_size=3)
RAW = st.one_of(st.none(), st.booleans(), st.integers(-5, 105), st.floats(), TEXT)


@settings(deadline=None)
@given(steps=st.one_of(RAW, st.lists(st.one_of(RAW, st.dictionaries(st.sampled_from(["weight", "pause"]), RAW)))))
def test_every_input_is_a_rising_plan_or_mistakes(steps: object) -> None:
    try:
        weights = [step.weight for step in plan(steps=steps).steps]
    except InvalidPlan as invalid:
        weights = []
        found = invalid.mistakes
    else:
        found = ()
    assert weights == sorted(set(weights))
    assert all(1 <= weight <= 100 for weight in weights)
    assert bool(found) is not bool(weights or steps is None)
