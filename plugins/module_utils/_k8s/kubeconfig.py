# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""The shape of a kubeconfig: what must be text, a flag, a list or a mapping, so that its readers need not ask. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._common.values import show

SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}

_TEXT, _FLAG, _TEXTS, _MAPPING = "text", "true or false", "a list of texts", "a mapping"
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "cluster": {
        **dict.fromkeys(("server", "tls-server-name", "proxy-url"), _TEXT),
        **dict.fromkeys(("certificate-authority", "certificate-authority-data"), _TEXT),
        "insecure-skip-tls-verify": _FLAG,
    },
    "context": {"cluster": _TEXT, "user": _TEXT},
    "user": {
        **dict.fromkeys(("token", "tokenFile", "username", "password", "as"), _TEXT),
        **dict.fromkeys(("client-certificate", "client-certificate-data", "client-key", "client-key-data"), _TEXT),
        "as-groups": _TEXTS,
        "exec": _MAPPING,
        "auth-provider": _MAPPING,
    },
}


def mistakes(config: object) -> list[str]:
    """All that is wrong with the shape, a clause each. Secrets are not repeated."""
    if not isinstance(config, Mapping):
        return ["it must be a mapping with clusters, contexts and users"]
    found = [] if _is(config.get("current-context"), _TEXT) else [_wrong("current-context", config, _TEXT)]
    for section, kind in SECTIONS.items():
        entries = config.get(section)
        if entries is not None and not isinstance(entries, (list, tuple)):
            found.append(f"{section} is {show(type(entries).__name__)}: it must be a list")
            continue
        for index, entry in enumerate(entries or []):
            found += _of_entry(f"{section}[{index}]", entry, kind)
    return found


def _of_entry(where: str, entry: object, kind: str) -> Iterator[str]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        yield f"{where} must be a mapping with name and {kind}"
        return
    values = entry.get(kind)
    if values is None:
        return
    if not isinstance(values, Mapping):
        yield f"{where}.{kind} must be a mapping"
        return
    for name, wish in _SHAPES[kind].items():
        if not _is(values.get(name), wish):
            yield _wrong(name, values, wish, f"{where}.{kind}.")
    command = (values.get("exec") or {}).get("command") if isinstance(values.get("exec"), Mapping) else None
    if not _is(command, _TEXT):
        yield _wrong("exec.command", {"exec.command": command}, _TEXT, f"{where}.{kind}.")


def _is(value: object, wish: str) -> bool:
    """Whether a value is what it must be; one that is missing is."""
    kinds: dict[str, type | tuple[type, ...]] = {_TEXT: str, _FLAG: bool, _TEXTS: (list, tuple), _MAPPING: Mapping}
    if value is None:
        return True
    if wish == _TEXTS and isinstance(value, (list, tuple)):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, kinds[wish])


def _wrong(name: str, values: Mapping[str, Any], wish: str, where: str = "") -> str:
    return f"{where}{name} is of type {type(values[name]).__name__}: it must be {wish}"
