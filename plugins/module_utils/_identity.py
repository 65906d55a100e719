# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Who runs: written into the lease, so that others can say whom they met and see whether it is still alive."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from ._release import Run


def this_run(given: Mapping[str, Any] | None = None) -> Run:
    """This process as a run of its own, or the run that it works for."""
    known = {key: value for key, value in (given or {}).items() if value}
    return Run(
        id=known.get("id") or secrets.token_hex(8),
        who=known.get("who") or _who(),
        host=known.get("host") or socket.gethostname(),
        pid=known.get("pid") or os.getpid(),
    )


def is_gone(host: str, pid: int) -> bool:
    """Whether this process ran on this machine and has ended."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, under another account
        return False
    return False


def _who() -> str:
    """The account, or the AWX user and job, which tell more than the account inside a container."""
    job = os.environ.get("AWX_JOB_ID")
    try:
        name = os.environ.get("AWX_USER_NAME") or getpass.getuser()
    except (KeyError, OSError):  # the account of a container may have no name
        name = f"uid {os.getuid()}"
    return f"{name} (job {job})" if job else name
