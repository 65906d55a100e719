# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of several calls of the module `canary`, one after the other, as that of one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IN_ORDER = ("transitions", "judged")
OBJECTS = ("routes", "destination_host", "gateways", "versions")  # a refused call may not have read them


def together(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """What came of both; what is only known of a moment is as the latter has it."""
    both = {name: first[name] for name in OBJECTS if name in first} | dict(then)
    both["changed"] = bool(first.get("changed") or then.get("changed"))
    both["api_requests"] = first.get("api_requests", 0) + then.get("api_requests", 0)
    both |= {name: [*first.get(name, []), *then.get(name, [])] for name in IN_ORDER}
    both["warnings"] = _once([*first.get("warnings", []), *then.get("warnings", [])])
    if "weights" in first:
        both["weights"] = {**first["weights"], **then.get("weights", {}), "before": first["weights"]["before"]}
    if "run" in first and "run" in then:
        both["run"] = {**then["run"], "began": first["run"]["began"]}
    if "diff" in first and "diff" in then:
        both["diff"] = {**then["diff"], "before": first["diff"]["before"]}
    return both


def _once(warnings: list[Any]) -> list[Any]:
    """Each problem once, without regard to its remedy: the same patch names another generation after each step."""
    return list({_text(each).partition(" -> ")[0]: each for each in warnings}.values())


def _text(warning: Any) -> str:
    """Of a warning, which is an object of Ansible's where a module of ansible-core 2.19 or newer gave it."""
    return warning if isinstance(warning, str) else str(warning.event.msg)
