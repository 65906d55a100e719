# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of options are secret. Pure.

Ansible masks every value below an option with `no_log` everywhere in the output: of a kubeconfig also "v1", of headers
also "true". So only the secrets in such a mapping are masked everywhere, and the mapping itself is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as Ansible has it
LEAST = 4  # characters of a secret; masking shorter ones would destroy the output and hide nothing
_SECRET_NAME = re.compile(
    r"authoriz|auth(?!or)|token|(\b|_|api)key(\b|_)|secret|password|passwd|cookie|session|credential|signature|jwt"
    r"|certificate-data|authority-data",
    re.IGNORECASE,
)
_FILE_NAME = re.compile("(file|client-key|authority)$", re.IGNORECASE)  # such as tokenFile


def secrets_in(values: object, _name: str = "") -> set[str]:
    """The values with the name of a secret, at any depth, and the passwords in URLs.

    A list of `name` and `value`, as for environment variables, counts as a mapping.
    """
    if isinstance(values, Mapping):
        named = {values["name"]: values["value"]} if {"name", "value"} <= set(values) else values
        return {secret for name, value in named.items() for secret in secrets_in(value, str(name))}
    if isinstance(values, (list, tuple)):
        return {secret for value in values for secret in secrets_in(value, _name)}
    if values in (None, "") or isinstance(values, bool):
        return set()
    text = str(values)
    if _SECRET_NAME.search(_name) and not _FILE_NAME.search(_name):
        return {each for each in (text, *_credentials(text)) if len(each) >= LEAST}
    return password_in(text)


def password_in(url: str) -> set[str]:
    """The password in a URL, if there is one."""
    try:
        password = urlsplit(url).password if "@" in url else None
    except ValueError:
        return set()
    return {password} if password else set()


def leaves(values: object) -> Iterator[str]:
    """All values at any depth, as text."""
    if isinstance(values, (Mapping, list, tuple)):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from leaves(value)
    elif values is not None:
        yield str(values)


def concealed(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options for the output, without the values of secret mappings."""
    return {name: _concealed(spec.get(name) or {}, value) for name, value in given.items()}


def no_log(spec: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """All values of options that are `no_log`, where Ansible cannot list them since others cannot be read."""
    return {text for name, value in given.items() if (spec.get(name) or {}).get("no_log") for text in leaves(value)}


def mappings(spec: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The secret mappings among options and suboptions."""
    for name, value in given.items():
        option = spec.get(name) or {}
        if isinstance(value, Mapping) and option.get("no_log"):
            yield value
        elif isinstance(value, Mapping) and option.get("options"):
            yield from mappings(option["options"], value)


def _concealed(option: Mapping[str, Any], value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if option.get("no_log"):
        return dict.fromkeys(value, HIDDEN)
    return concealed(option["options"], value) if option.get("options") else value


def _credentials(text: str) -> set[str]:
    """The part after an authentication scheme, as in `Bearer TOKEN`."""
    scheme, _space, rest = text.partition(" ")
    return {rest} if scheme.isalpha() and len(rest) > 7 else set()
