# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of several calls as one."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.progressive.istio.plugins.module_utils._report.together import together

FIRST = {
    "changed": True,
    "weights": {"before": {"v1": 100}, "after": {"v1": 80}},
    "transitions": [{"event": "advanced"}],
    "judged": [{"weights": {"v1": 80}}],
    "run": {"id": "r", "began": "1", "ended": "2"},
    "api_requests": 8,
    "phase": "progressing",
}
THEN = {
    "changed": False,
    "weights": {"before": {"v1": 80}, "after": {"v1": 100}},
    "transitions": [{"event": "failed"}],
    "judged": [{"weights": {"v1": 50}}],
    "warnings": ["look"],
    "run": {"id": "r", "began": "3", "ended": "4"},
    "api_requests": 5,
    "phase": "rolled_back",
}


def test_what_was_done_adds_up_and_what_is_is_the_last() -> None:
    assert together(FIRST, THEN) == {
        "changed": True,
        "weights": {"before": {"v1": 100}, "after": {"v1": 100}},
        "transitions": [{"event": "advanced"}, {"event": "failed"}],
        "judged": [{"weights": {"v1": 80}}, {"weights": {"v1": 50}}],
        "warnings": ["look"],
        "run": {"id": "r", "began": "1", "ended": "4"},
        "api_requests": 13,
        "phase": "rolled_back",
    }


def test_a_warning_that_recurs_with_another_remedy_is_given_once() -> None:
    old, new = ("the route has no name -> patch generation 1", "the route has no name -> patch generation 2")
    assert together({"warnings": [old, "other"]}, {"warnings": [new]})["warnings"] == [new, "other"]


def test_after_a_refusal_the_weights_are_as_they_were_seen_last() -> None:
    both = together(FIRST, {"failed": True, "msg": "no", "run": THEN["run"]})
    assert (both["weights"], both["failed"], both["judged"]) == (FIRST["weights"], True, FIRST["judged"])
    assert "phase" not in both


def test_a_refusal_that_read_no_objects_keeps_those_of_the_step_before() -> None:
    objects = {"routes": ["number 1"], "gateways": ["edge"], "versions": {"v1": {"ready": 1}}}
    both = together({**FIRST, **objects}, {"failed": True, "msg": "no", "gateways": ["other"]})
    assert {name: both[name] for name in objects} == {**objects, "gateways": ["other"]}


def test_a_refusal_before_anything_was_seen_has_no_weights() -> None:
    assert "weights" not in together({"failed": True, "msg": "no"}, {"failed": True, "msg": "still no"})


def test_a_warning_of_a_module_is_an_object_of_ansible() -> None:
    old, new = (SimpleNamespace(event=SimpleNamespace(msg=f"{text} -> patch")) for text in ("look", "look"))
    assert together({"warnings": [old]}, {"warnings": [new, "other"]})["warnings"] == [new, "other"]
