# SPDX-License-Identifier: GPL-3.0-or-later
"""The mistakes in the settings of a canary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

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
ROLES = Path(__file__).parents[3] / "roles"
RULES = ("type", "elements", "choices", "no_log")


@cache
def specification(role: str, entry_point: str = "main") -> dict[str, dict[str, Any]]:
    """Of each setting of a role what can be wrong about its value."""
    text = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    options: dict[str, dict[str, Any]] = yaml.load(text, loader)["argument_specs"][entry_point]["options"]
    return {name: {rule: option[rule] for rule in RULES if rule in option} for name, option in options.items()}


# Read by the controller when it loads the action, so that the worker of each host finds it.
SPECIFICATION = specification("canary", "check")
# What playbooks read, and what the role gives to other tasks.
OTHERS = (
    *("canary_hosts", "canary_serial", "canary_max_fail_percentage", "canary_python_interpreter"),
    *("canary_result", "canary_status", "canary_probe", "canary_ingress", "canary_doctor"),
    *("canary_environment", "canary_access", "canary_page_file"),
)
KNOWN = frozenset({*SPECIFICATION, *OTHERS})
VERSION_KEYS = frozenset({"deployment", "image", "env", "replicas"})


def of_host(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among the variables of a host, named without their prefix."""
    return {name.removeprefix(PREFIX): variables[name] for name in SPECIFICATION if name in variables}


def of_roles(variables: Mapping[str, Any], roles: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The settings of other roles among the variables of a host, by role."""
    return {role: {name: variables[name] for name in specification(role) if name in variables} for role in roles}


def mistakes(
    settings: Mapping[str, Any], names: Iterable[str] = (), others: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """All mistakes, one sentence each; settings are named without their prefix canary_.

    names: of all variables with it. An unknown one is a mistake if it is nearly the name of a setting.
    others: the settings of other roles, by role.
    """
    found = [*_misspelt(names), *_unfit(settings), *_pathless(settings)]
    for role, values in (others or {}).items():
        found += ArgumentSpecValidator(specification(role)).validate(values).error_messages
    try:
        validate(weight=settings.get("weight"), **{option: settings[name] for option, name in PLAN.items()})
    except InvalidPlan as invalid:
        found += [_of_settings(text) for text in invalid.mistakes]
    found += [
        f"canary_{name} is {settings[name]!r}: it must be a name of small letters, digits and dashes, at most 63"
        for name in LABEL_NAMES
        if not LABEL.fullmatch(str(settings[name]))
    ]
    versions = settings["versions"] if isinstance(settings["versions"], Mapping) else {}
    for version, fields in versions.items():
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


def _unfit(settings: Mapping[str, Any]) -> list[str]:
    """Which settings are not of the type, or none of the choices, that the specification of the role has."""
    given = {f"{PREFIX}{name}": value for name, value in settings.items()}
    known = {name: value for name, value in given.items() if name in SPECIFICATION}
    return list(ArgumentSpecValidator(SPECIFICATION).validate(known).error_messages)


def _pathless(settings: Mapping[str, Any]) -> list[str]:
    """A probe without a URL asks for a path of the ingress gateway, which must be known."""
    analysis = settings.get("analysis")
    if not isinstance(analysis, Mapping) or analysis.get("source") != "probe" or settings.get("version_path"):
        return []
    probe = analysis.get("probe")
    if isinstance(probe, Mapping) and probe.get("url"):
        return []
    return [
        "canary_analysis has source probe and no probe.url: give that, or canary_version_path for the ingress gateway"
    ]


def _misspelt(names: Iterable[str]) -> list[str]:
    known = {name.removeprefix(PREFIX) for name in KNOWN}
    given = sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    found = {name: meant(name, known) for name in given if name not in known}
    return [f"{PREFIX}{name} is not a setting: did you mean {PREFIX}{other}?" for name, other in found.items() if other]
