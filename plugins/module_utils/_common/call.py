# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of a module, however it is run: in a process of its own, or in that of the action plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Call:
    """What a module is called with.

    params: its options, checked and with their defaults. diff: whether the result is to show the change.
    warn: adds a warning to the result.
    """

    params: dict[str, Any]
    check_mode: bool
    diff: bool
    warn: Callable[[str], None]


Answer: TypeAlias = Callable[[Call], dict[str, Any]]  # the result; with `failed` it is a failure, and `msg` says why
Spec: TypeAlias = Mapping[str, Any]  # `argument_spec`, and the rules between options, as AnsibleModule takes them
