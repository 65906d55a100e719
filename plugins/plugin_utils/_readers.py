# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reads what Ansible prints."""

from __future__ import annotations

from ansible import constants as C

MACHINES = frozenset({"json", "jsonl", "null"})  # callbacks whose output no line of ours may be mixed into


def read_by_people() -> bool:
    """Whether our lines may be printed between those of the callback."""
    return C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] not in MACHINES
