# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Commands that put things right, as people paste them. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

Operation = Mapping[str, Any]

_RESOURCES = {"Gateway": "gateways.networking.istio.io"}  # the bare word may mean those of the Gateway API


def resource(kind: str) -> str:
    """What kubectl calls a kind."""
    return _RESOURCES.get(kind, kind.lower())


def patch(kind: str, thing: Mapping[str, Any], operations: Iterable[Operation]) -> str:
    """A JSON patch; nothing if there is nothing to change."""
    changes = json.dumps(list(operations))
    return f"kubectl patch {_named(kind, thing)} --type json -p {shlex.quote(changes)}" if changes != "[]" else ""


def delete(kind: str, thing: Mapping[str, Any]) -> str:
    return f"kubectl delete {_named(kind, thing)}"


def on(cluster: Iterable[str], command: str) -> str:
    """The command with the options by which kubectl finds the cluster."""
    return command.replace("kubectl ", f"kubectl {shlex.join(cluster)} ") if cluster else command


def replace(path: str, value: object) -> Operation:
    return {"op": "replace", "path": path, "value": value}


def add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _named(kind: str, thing: Mapping[str, Any]) -> str:
    meta = thing["metadata"]
    return f"{resource(kind)} -n {meta['namespace']} {meta['name']}"
