# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs, and whether it still does."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._identity import is_gone, this_run


def test_alone_it_is_this_process() -> None:
    one, other = this_run(), this_run()
    assert (one.host, one.pid) == (socket.gethostname(), os.getpid())
    assert one.id != other.id


def test_on_behalf_of_another_it_is_that_one() -> None:
    run = this_run({"id": "x", "who": "jane", "host": "far", "pid": 7, "progress": "/tmp/p"})
    assert (run.id, run.who, run.host, run.pid) == ("x", "jane", "far", 7)
    assert this_run({"id": "x", "who": None, "host": None, "pid": None}).pid == os.getpid()


@pytest.mark.parametrize(
    ("variables", "who"),
    [
        ({"LOGNAME": "jane"}, "jane"),
        ({"LOGNAME": "awx", "AWX_JOB_ID": "42"}, "awx (job 42)"),
        ({"LOGNAME": "awx", "AWX_USER_NAME": "jane", "AWX_JOB_ID": "42"}, "jane (job 42)"),
    ],
)
def test_a_job_of_awx_says_its_user(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], who: str) -> None:
    for name in ("AWX_JOB_ID", "AWX_USER_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert this_run().who == who


def test_an_account_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "AWX_USER_NAME", "AWX_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert this_run().who == "uid 4000000"


def test_a_process_is_gone_when_it_has_ended_here() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert is_gone(socket.gethostname(), child)
    assert not is_gone(socket.gethostname(), os.getpid())
    assert not is_gone("far", child)


def test_a_process_of_another_account_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbid)
    assert not is_gone(socket.gethostname(), 1)
