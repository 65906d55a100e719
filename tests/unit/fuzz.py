# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that nobody meant, for tests that whatever comes is answered in a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# What people and programs write by mistake, which random text finds late.
LIKELY = [
    *(None, True, 0, -1, 1, 7, 100, 101, 10**30, 0.5, -0.0, 1e300, float("inf"), float("nan")),
    *("", " ", ".", "..", "a/b", "null", "0", "10%", "1e999", "nan", "v1", "*", "a\nb", "\x00", "\u202e", "("),
    *("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "http://[", "http://a:99999", "https://" + "a" * 70),
    *([], {}, [None], [[]], [{}], {"name": None}, {"a": {}}, [[[[1]]]]),
]
ANYTHING = st.sampled_from(LIKELY) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def examples(number: int) -> Any:
    """As many of them, always the same; others, and as many as it says, with FUZZ_EXAMPLES in the environment."""
    asked = os.environ.get("FUZZ_EXAMPLES")
    return settings(
        max_examples=int(asked or number),
        derandomize=not asked,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value of mappings and lists, as keys and indexes."""
    if way:
        yield way
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*way, key))


@st.composite
def mutated(draw: st.DrawFn, sound: Any, most: int = 2) -> Any:
    """A sound value in which one or more things are missing or are something else."""
    value = deepcopy(sound)
    for _change in range(draw(st.integers(1, most))):
        way = draw(st.sampled_from(list(places(value)) or [()]))
        if not way:
            continue
        inner = value
        for key in way[:-1]:
            inner = inner[key]
        if draw(st.integers(0, 3)):
            inner[way[-1]] = deepcopy(draw(ANYTHING))
        else:
            del inner[way[-1]]
    return value


# What every object has, or is not accepted without.
REQUIRED = frozenset({"name", "namespace", "host", "metadata", "kind", "uid", "resourceVersion", "destination", "type"})
REQUIRED_IN = {("conditions", "status"), ("ports", "port")}
_SAME_TYPE = {
    str: st.sampled_from(["", "a", "v3", "a\nb", "*", "9", "1Mi", "2026-01-01T00:00:00Z"]) | st.text(max_size=8),
    int: st.integers(0, 2**31 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    list: st.just([]),
    dict: st.just({}),
    type(None): st.none(),
}


@st.composite
def altered(draw: st.DrawFn, sound: Any, most: int = 2) -> Any:
    """A sound object in which something is missing, empty or another of its type: what an API server accepts."""
    value = deepcopy(sound)
    for _change in range(draw(st.integers(1, most))):
        ways = [way for way in places(value) if way[-1] not in REQUIRED and way[-3::2] not in REQUIRED_IN]
        if not ways:
            continue
        way = draw(st.sampled_from(ways))
        inner = value
        for key in way[:-1]:
            inner = inner[key]
        old = inner[way[-1]]
        whole = isinstance(old, dict) and REQUIRED & set(old)
        if not whole and draw(st.booleans()):
            inner[way[-1]] = deepcopy(draw(_SAME_TYPE[type(old)]))
        else:
            del inner[way[-1]]
    return value
