# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: which run holds it, whether it counts, and whether its process has ended.

Host names repeat, containers on a host's network share its name, and pids are used again. A process is named for good
by the boot of its machine, its pid namespace, its pid and the time it began.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from .model import LEASE, LEASE_SLACK, Run
from .state import PROCESS, LeaseHolder, State

PROC = Path("/proc")
ENDED = ("Z", "X")  # states of a process that only waits for its parent to notice


def this_run(given: Mapping[str, Any] | None = None) -> Run:
    """This process as a run of its own, or the run that it works for."""
    known = {key: value for key, value in (given or {}).items() if value}
    pid = known.get("pid") or os.getpid()
    process = {} if "host" in known or "boot" in known else process_here(pid)
    return Run(
        id=known.get("id") or secrets.token_hex(8),
        who=known.get("who") or _who(),
        host=known.get("host") or socket.gethostname(),
        pid=pid,
        **{name: known.get(name) or process.get(name, "") for name in PROCESS},
    )


def process_here(pid: int) -> dict[str, str]:
    """What names a process of this machine for good, by the names of PROCESS; empty text where it is not known."""
    state, start = _stat(pid)
    return {"boot": _boot(), "pid_namespace": _pid_namespace(), "start": "" if state in ENDED else start}


def has_ended(process: Run | LeaseHolder) -> bool:
    """Whether this process ran on this machine and has ended. False where that cannot be known."""
    here = (_boot(), _pid_namespace())
    if not here[0] or (process.boot, process.pid_namespace) != here:
        return False
    try:
        os.kill(process.pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it is there, under another account
        pass
    state, start = _stat(process.pid)
    return state in ENDED or bool(start and process.start and start != process.start)


def leased(holder: LeaseHolder, now: datetime) -> bool:
    """Whether a lease counts at this time: it has not ended, and it ends when one of ours could."""
    return now < holder.until <= now + LEASE + LEASE_SLACK


def released(state: State) -> State:
    """The state with the lease let go: for the last write of a run."""
    return replace(state, holder=None)


def _boot() -> str:
    """What no other machine has, nor this one after its next start; without /proc the address of its network card."""
    if _has_proc():
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    card = uuid.getnode()
    return "" if card >> 40 & 1 else f"{card:012x}"  # that bit: there is no card, and the number is random


def _pid_namespace() -> str:
    try:
        return str((PROC / "self/ns/pid").stat().st_ino) if _has_proc() else ""
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """State of a process, and when it began, in ticks since the boot; empty text where it is not known."""
    if not _has_proc():
        return "", ""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the command in front may hold spaces and parentheses
    return fields[0], fields[19]


def _has_proc() -> bool:
    """Whether there is a /proc, and that of our own pid namespace."""
    try:
        return (PROC / "self").readlink() == Path(str(os.getpid())) and (PROC / "sys/kernel/random/boot_id").exists()
    except OSError:
        return False


def _who() -> str:
    """The account, or the AWX user and job, which say more than the account of a container."""
    job = os.environ.get("AWX_JOB_ID")
    try:
        name = os.environ.get("AWX_USER_NAME") or getpass.getuser()
    except (KeyError, OSError):  # the account of a container may have no name
        name = f"uid {os.getuid()}"
    return f"{name} (job {job})" if job else name
