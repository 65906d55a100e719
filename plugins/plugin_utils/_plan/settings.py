# SPDX-License-Identifier: GPL-3.0-or-later
"""The mistakes in the settings of a canary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ...module_utils._release.plan import InvalidPlan, validate
from .spelling import meant

PLAN = {
    "stable": "stable_version",
    "canary": "version",
    "steps": "steps",
    "interval": "interval",
    "on_failure": "on_failure",
}
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_NAMES = ("app", "namespace", "stable_version", "version", "service")
PREFIX = "canary_"
SPECIFICATIONS = Path(__file__).parents[3] / "roles" / "canary" / "meta" / "argument_specs.yml"
# What playbooks read, and what the role gives to other tasks.
OTHERS = (
    *("canary_hosts", "canary_serial", "canary_max_fail_percentage", "canary_python_interpreter"),
    *("canary_result", "canary_status", "canary_probe", "canary_ingress", "canary_doctor"),
    *("canary_environment", "canary_access", "canary_page_file"),
)
VERSION_KEYS = frozenset({"deployment", "image", "env", "replicas"})


def mistakes(settings: Mapping[str, Any], names: Iterable[str] = ()) -> list[str]:
    """All mistakes, one sentence each; settings are named without their prefix canary_.

    names: of all variables with it. An unknown one is a mistake if it is nearly the name of a setting.
    """
    found = _misspelt(names)
    try:
        validate(weight=settings.get("weight"), **{option: settings[name] for option, name in PLAN.items()})
    except InvalidPlan as invalid:
        found += [_of_settings(text) for text in invalid.mistakes]
    found += [
        f"canary_{name} is {settings[name]!r}: it must be a name of small letters, digits and dashes, at most 63"
        for name in LABEL_NAMES
        if not LABEL.fullmatch(str(settings[name]))
    ]
    for version, fields in settings["versions"].items():
        unknown = sorted(set(fields) - VERSION_KEYS)
        if unknown:
            found.append(
                f"canary_versions.{version} has {', '.join(unknown)}: "
                f"a version has only {', '.join(sorted(VERSION_KEYS))}"
            )
    return found


def _of_settings(mistake: str) -> str:
    """The mistake of a plan, which names its options, with the names of the settings."""
    return re.sub(
        r"^(\w+)(?: and (canary\b))?",
        lambda options: " and ".join(map(_setting, filter(None, options.groups()))),
        mistake,
    )


def _setting(option: str) -> str:
    return option if option == "weight" else f"{PREFIX}{PLAN[option]}"


def _misspelt(names: Iterable[str]) -> list[str]:
    known = {name.removeprefix(PREFIX) for name in _settings()}
    given = sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    found = {name: meant(name, known) for name in given if name not in known}
    return [f"{PREFIX}{name} is not a setting: did you mean {PREFIX}{other}?" for name, other in found.items() if other]


@cache
def _settings() -> frozenset[str]:
    specs = yaml.safe_load(SPECIFICATIONS.read_text(encoding="utf-8"))["argument_specs"]
    return frozenset(specs["canary"]["options"]) | frozenset(OTHERS)
