# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of the fields of a kubeconfig, so that its readers need not check them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._common.values import show

SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_PEM = ("certificate-authority", "client-certificate", "client-key")
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "cluster": {
        **dict.fromkeys(("server", "tls-server-name", "proxy-url", _PEM[0], f"{_PEM[0]}-data"), str),
        "insecure-skip-tls-verify": bool,
    },
    "context": {"cluster": str, "user": str},
    "user": {
        **dict.fromkeys(("token", "tokenFile", "username", "password", "as", *_PEM[1:]), str),
        **dict.fromkeys((f"{name}-data" for name in _PEM[1:]), str),
        "as-groups": list,
        "exec": Mapping,
        "auth-provider": Mapping,
    },
}
_TYPES = {str: "text", bool: "true or false", list: "a list of texts", Mapping: "a mapping"}


def mistakes(config: object) -> list[str]:
    """All fields of the wrong type, a clause each. Secrets are not repeated."""
    if not isinstance(config, Mapping):
        return ["it must be a mapping with clusters, contexts and users"]
    found = list(_wrong("current-context", config.get("current-context"), str))
    for section, kind in SECTIONS.items():
        entries = config.get(section)
        entries = [] if entries is None else entries
        if not isinstance(entries, (list, tuple)):
            found.append(f"{section} is {show(type(entries).__name__)}: it must be a list")
            continue
        for index, entry in enumerate(entries):
            found += _of_entry(f"{section}[{index}]", entry, kind)
    return found


def _of_entry(where: str, entry: object, kind: str) -> Iterator[str]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        yield f"{where} must be a mapping with name and {kind}"
        return
    values = entry.get(kind)
    if values is not None and not isinstance(values, Mapping):
        yield f"{where}.{kind} must be a mapping"
        return
    for name, kind_of_value in _FIELDS[kind].items():
        yield from _wrong(f"{where}.{kind}.{name}", (values or {}).get(name), kind_of_value)
    plugin = (values or {}).get("exec")
    if isinstance(plugin, Mapping):
        yield from _wrong(f"{where}.{kind}.exec.command", plugin.get("command"), str)


def _wrong(where: str, value: Any, wanted: type) -> Iterator[str]:
    """Nothing for a value that is missing."""
    fits = isinstance(value, (list, tuple) if wanted is list else wanted)
    if value is not None and not (fits and (wanted is not list or all(isinstance(each, str) for each in value))):
        yield f"{where} is of type {type(value).__name__}: it must be {_TYPES[wanted]}"
