# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who reads what Ansible prints."""

from __future__ import annotations

from ansible import constants as C

MACHINES = frozenset({"json", "jsonl", "null"})  # callbacks whose output no line of ours may be mixed into


def read_by_people() -> bool:
    """Whether lines of ours may stand between those of the callback."""
    return C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] not in MACHINES
