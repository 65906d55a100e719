# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.plugin_utils._plan import settings as checked

NAME = "it must be a name of small letters, digits and dashes, at most 63"
GOOD: dict[str, Any] = {
    "app": "pong-server",
    "namespace": "default",
    "stable_version": "v1",
    "version": "v2",
    "service": "pong-server-service",
    "versions": {"v1": {"deployment": "pong-server-deployment"}},
    "steps": [5, {"weight": 20, "pause": True}, "50", 100],
    "interval": 60,
    "on_failure": "rollback",
}


@pytest.mark.parametrize("more", [{}, {"weight": 0}, {"weight": "100"}])
def test_what_can_be_meant_is_no_mistake(more: dict[str, Any]) -> None:
    assert checked.mistakes(GOOD | more) == []


@pytest.mark.parametrize("weight", [-1, 101, "abc", "10%", 1.5, "", True])
def test_a_weight_is_a_whole_percentage(weight: object) -> None:
    assert checked.mistakes(GOOD | {"weight": weight}) == [
        f"weight is {weight!r}: it must be a whole number from 0 to 100"
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": [50, 20]}, "canary_steps[1] falls from 50 to 20: each weight must be higher than the one before"),
        ({"steps": []}, "canary_steps is empty: give at least one weight, such as [5, 20, 50, 100]"),
        (
            {"stable_version": "v2"},
            "canary_stable_version and canary_version are both v2: they must be two different subsets",
        ),
        ({"interval": -1}, "canary_interval is -1: it must be a number of seconds from 0 to 31536000"),
        (
            {"namespace": "Shop"},
            f"canary_namespace is 'Shop': {NAME}",
        ),
        (
            {"app": "a" * 64},
            f"canary_app is '{'a' * 64}': {NAME}",
        ),
        (
            {"versions": {"v1": {"img": "x", "env": {}}}},
            "canary_versions.v1 has img: a version has only deployment, env, image, replicas",
        ),
    ],
)
def test_each_mistake_says_what_would_be_right(settings: dict[str, Any], sentence: str) -> None:
    assert checked.mistakes(GOOD | settings) == [sentence]


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"proof": "some"}, "canary_proof"),
        ({"deadline": "soon"}, "canary_deadline"),
        ({"versions": 5}, "canary_versions"),
    ],
)
def test_a_setting_is_of_the_type_and_among_the_choices_that_its_role_specifies(
    settings: dict[str, Any], option: str
) -> None:
    (mistake,) = checked.mistakes(GOOD | settings)
    assert option in mistake


def test_the_settings_are_found_among_the_variables_of_a_host() -> None:
    variables = {"canary_proof": "all", "canary_result": {}, "proof": 1, "canary_kiali_token": "x"}
    assert checked.of_host(variables) == {"proof": "all", "kiali_token": "x"}


def test_all_mistakes_come_at_once() -> None:
    bad = GOOD | {"weight": 101, "steps": [20, 20], "app": "-", "on_failure": "pray", "proof": "some"}
    assert len(checked.mistakes(bad)) == 5


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("canary_analisys", "canary_analysis"),
        ("canary_setps", "canary_steps"),
        ("canary_onfailure", "canary_on_failure"),
        ("canary_kube_config", "canary_kubeconfig"),
        ("canary_max_fail_precentage", "canary_max_fail_percentage"),
    ],
)
def test_a_misspelt_setting_is_a_mistake(name: str, meant: str) -> None:
    sentence = f"{name} is not a setting: did you mean {meant}?"
    assert checked.mistakes(GOOD, [name]) == [sentence]


def test_names_that_are_known_or_like_no_setting_are_none() -> None:
    known = [name for name in checked.KNOWN if name.startswith("canary_")]
    assert {"canary_analysis", "canary_watch", "canary_result", "canary_hosts"} <= set(known)
    own = ["canary_image_tag", "canary_team", "canary_x", "canary_build_number", "other"]
    assert checked.mistakes(GOOD, [*known, *own]) == []


def test_what_the_role_hands_to_others_is_known() -> None:
    roles = Path(__file__).parents[5] / "roles"
    texts = [file.read_text(encoding="utf-8") for file in roles.glob("*/[tv]a*s/*.yml")]
    handed = {name for text in texts for name in re.findall(r"(?:register: |^)(canary_\w+)", text, re.MULTILINE)}
    assert {"canary_result", "canary_page_file"} <= handed <= checked.KNOWN


def test_all_misspelt_settings_come_with_all_other_mistakes() -> None:
    assert len(checked.mistakes(GOOD | {"app": "-"}, ["canary_setps", "canary_intervall"])) == 3


def test_the_types_of_other_roles_are_checked_with_all_other_mistakes() -> None:
    others = {"istio": {"istio_deadline": "soon"}, "app_version": {"app_version_drain": 5}}
    wrong, other = checked.mistakes(GOOD | {"app": "-"}, [], others)
    assert ("istio_deadline" in wrong, "canary_app" in other) == (True, True)
    found = checked.of_roles({"istio_deadline": 3, "canary_app": "x"}, ["istio", "gateway"])
    assert found == {"istio": {"istio_deadline": 3}, "gateway": {}}
