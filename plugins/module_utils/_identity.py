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

from ._release import Holder, Run


def this_run(params: Mapping[str, Any]) -> Run:
    """The run that the module's `run` option describes, else this process alone."""
    given = params.get("run") or {}
    return Run(
        id=given.get("id") or secrets.token_hex(8),
        who=given.get("who") or who(),
        host=given.get("host") or socket.gethostname(),
        pid=given.get("pid") or os.getpid(),
    )


def who() -> str:
    """The account that runs, or the AWX job, which tells more than the account of a container."""
    user, job = os.environ.get("AWX_USER_NAME"), os.environ.get("AWX_JOB_ID") or os.environ.get("JOB_ID")
    try:
        name = user or getpass.getuser()
    except (KeyError, OSError):  # a container's account may have no name
        name = f"uid {os.getuid()}"
    return f"{name} (job {job})" if job else name


def is_gone(holder: Holder) -> bool:
    """Whether the holder ran on this machine and its process has ended."""
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, under another account
        return False
    return False
