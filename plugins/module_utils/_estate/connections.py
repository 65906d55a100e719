# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the inventory, and which clusters they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

_TEXTS = {"type": "list", "elements": "str"}
_OF_A_CLUSTER: dict[str, dict[str, Any]] = {
    "kubeconfig": {"type": "str"},
    "context": {"type": "str"},
    "namespaces": _TEXTS,
    "label_selectors": _TEXTS,
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    **_OF_A_CLUSTER,
    "connections": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, **_OF_A_CLUSTER}},
    "candidates": {"type": "bool", "default": True},
    "skip_unreachable": {"type": "bool", "default": False},
}


class InvalidOptions(Exception):
    """What is wrong with the options, one sentence each."""


@dataclass(frozen=True)
class Connection:
    """A cluster, and what of it is listed. name: given by the user, or empty. namespaces: none for all."""

    name: str = ""
    kubeconfig: str = ""
    context: str = ""
    namespaces: tuple[str, ...] = ()
    label_selectors: tuple[str, ...] = ()

    @property
    def access(self) -> dict[str, str]:
        """The options of a module that are not left to the environment."""
        given = {"kubeconfig": self.kubeconfig, "context": self.context}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class InventoryOptions:
    """All of them."""

    connections: tuple[Connection, ...]
    candidates: bool
    skip_unreachable: bool


def options_of(given: Mapping[str, Any], folder: Path) -> InventoryOptions:
    """What is asked for. folder: that of the file, to which paths are relative. Raises InvalidOptions."""
    checked = ArgumentSpecValidator(ARGUMENTS).validate({**given})
    if checked.error_messages:
        raise InvalidOptions("; ".join(checked.error_messages))
    params = checked.validated_parameters
    usual = {name: params[name] for name in _OF_A_CLUSTER}
    asked = params["connections"] if params["connections"] is not None else [{}]
    connections = tuple(_connection(usual | _given(each), folder) for each in asked)
    if not connections:
        raise InvalidOptions(
            "`connections` is empty: name a cluster in it, or leave it out for that of the environment"
        )
    alike = sorted({each.name for each in connections if each.name and _count(connections, each.name) > 1})
    if alike:
        raise InvalidOptions(f"several of `connections` have the name {', '.join(alike)}: give each its own")
    return InventoryOptions(connections, params["candidates"], params["skip_unreachable"])


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _count(connections: tuple[Connection, ...], name: str) -> int:
    return sum(each.name == name for each in connections)


def _connection(values: Mapping[str, Any], folder: Path) -> Connection:
    kubeconfig = values["kubeconfig"]
    return Connection(
        values.get("name") or "",
        str(folder / Path(kubeconfig).expanduser()) if kubeconfig else "",
        values["context"] or "",
        tuple(values["namespaces"] or ()),
        tuple(values["label_selectors"] or ()),
    )
