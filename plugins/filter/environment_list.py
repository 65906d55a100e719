# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mapping into the environment of a container."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def environment_list(variables: Mapping[str, Any]) -> list[dict[str, str]]:
    """Names and values as Kubernetes wants them: text, where YAML makes numbers and truths of what looks like them."""
    return [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in variables.items()
    ]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        """Name it."""
        return {"environment_list": environment_list}
