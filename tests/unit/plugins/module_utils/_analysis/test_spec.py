# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented defaults and suboptions of `analysis` are those of the criteria."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._analysis.criteria import (
    Criteria,
    InvalidCriteria,
    Source,
    validate,
)
from ansible_collections.progressive.istio.plugins.module_utils._analysis.spec import ANALYSIS, Spec

REQUIRED = {"url": "http://one:9090", "name": "one", "query": "up", "min": 1}


def filled(spec: Spec) -> dict[str, Any]:
    """All defaults of a spec, and those of its suboptions."""
    return {
        name: filled(option["options"]) if "options" in option else option["default"]
        for name, option in spec.items()
        if "default" in option or option.get("type") == "raw"
    }


def test_the_defaults_are_those_of_the_criteria() -> None:
    assert validate(filled(ANALYSIS)) == validate({}) == Criteria()


@pytest.mark.parametrize("name", ["prometheus", "probe"])
def test_the_defaults_of_a_connection(name: str) -> None:
    url = {"url": REQUIRED["url"]}
    assert validate({name: url | filled(ANALYSIS[name]["options"])}) == validate({name: url})


@pytest.mark.parametrize("name", [name for name, option in ANALYSIS.items() if "options" in option])
def test_the_suboptions_are_those_that_the_criteria_know(name: str) -> None:
    part = {"unknown": 1} | {key: value for key, value in REQUIRED.items() if key in ANALYSIS[name]["options"]}
    with pytest.raises(InvalidCriteria) as caught:
        validate({name: [part] if ANALYSIS[name]["type"] == "list" else part})
    (known,) = [each.partition("it has only ")[2] for each in caught.value.mistakes if "has unknown" in each]
    assert set(known.split(", ")) == set(ANALYSIS[name]["options"])


def test_the_options_are_those_that_the_criteria_know() -> None:
    with pytest.raises(InvalidCriteria, match="analysis has unknown: it has only ") as caught:
        validate({"unknown": 1})
    assert set(str(caught.value).partition("it has only ")[2].split(", ")) == set(ANALYSIS)


def test_the_choices_are_those_of_the_criteria() -> None:
    from typing import get_args

    assert ANALYSIS["source"]["choices"] == list(get_args(Source))
