# SPDX-License-Identifier: GPL-3.0-or-later
"""The canaries of a call, each with the options of the module `canary`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._canary.options import ARGUMENTS, for_rollback, plan_of_options
from .._common.text import plural
from .._k8s.auth import AUTH_ARGUMENTS

OF_THE_CALL = frozenset({"state", "run", *AUTH_ARGUMENTS})
NONE = frozenset({"watch", "drain", "analysis", "samples"})  # nothing is watched, judged or cleaned up
OPTIONS = {name: spec for name, spec in ARGUMENTS.items() if name not in OF_THE_CALL | NONE}


@dataclass(frozen=True)
class Entry:
    """One canary. params: the options of the module `canary`, checked and with their defaults."""

    params: Mapping[str, Any]

    @property
    def named(self) -> dict[str, Any]:
        """What tells it from others, as in the results of all."""
        return {name: self.params[name] for name in ("name", "namespace", "stable", "canary")}

    def rollback(self, reason: str) -> Entry:
        """The same canary, to be rolled back."""
        return Entry({**self.params, "state": "rolled_back", "reason": reason})


def entries_of(params: Mapping[str, Any]) -> tuple[list[Entry], list[str]]:
    """The canaries of a call that can be tried, and all mistakes in the others."""
    entries, mistakes = [], []
    for number, given in enumerate(params["canaries"], start=1):
        entry, wrong = _entry_of(given, params)
        mistakes += [f"canary {number} ({_place(given)}): {each}" for each in wrong]
        entries += [entry] if entry and not wrong else []
    return entries, [*mistakes, *_twice(entries)]


def _entry_of(given: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[Entry | None, list[str]]:
    state, known = params["state"], dict(given)
    misplaced = sorted(known.keys() & OF_THE_CALL)
    if misplaced:
        return None, [f"set {' and '.join(misplaced)} for all canaries, beside `canaries`"]
    if state == "rolled_back":
        known, _ignored = for_rollback(known)
    required = [("state", "weighted", ("weight",))]
    options = {**OPTIONS, "state": ARGUMENTS["state"]}
    checked = ArgumentSpecValidator(options, required_if=required).validate({**known, "state": state})
    if checked.error_messages:
        return None, list(checked.error_messages)
    of_the_call = {name: params[name] for name in OF_THE_CALL}
    unwatched = {
        "watch": 0 if state == "advanced" else None,
        "drain": ARGUMENTS["drain"]["default"],
        "analysis": None,
        "samples": False,
    }
    found = {**checked.validated_parameters, **of_the_call, **unwatched}
    _plan, mistakes = plan_of_options(found, [])
    return Entry(found), mistakes


def _twice(entries: list[Entry]) -> list[str]:
    """Canaries that are named more than once."""
    places = [(each.params["namespace"], each.params["name"], each.params["destination_host"]) for each in entries]
    return [
        f"{namespace}/{name}{f' for {host}' if host else ''} is named {plural(number, 'time')}: name it once"
        for (namespace, name, host), number in Counter(places).items()
        if number > 1
    ]


def _place(given: Mapping[str, Any]) -> str:
    return f"{given.get('namespace', 'default')}/{given.get('name', 'without a name')}"
