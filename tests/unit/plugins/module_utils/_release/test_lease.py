# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs, and whether it still does."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._release import lease
from ansible_collections.progressive.istio.plugins.module_utils._release.lease import has_ended, process_here, this_run
from ansible_collections.progressive.istio.plugins.module_utils._release.state import LeaseHolder

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


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


@pytest.fixture
def ended() -> int:
    """The pid of a process that has ended."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_a_process_is_gone_when_it_has_ended_here(ended: int) -> None:
    assert has_ended(this_run({"pid": ended}))
    assert not has_ended(this_run())


@pytest.mark.parametrize(
    "elsewhere",
    [{"boot": "another"}, {"pid_namespace": "1"}, {"boot": "", "pid_namespace": ""}],
    ids=["another machine with the same host name", "a container of the same host", "an older writer"],
)
def test_what_cannot_be_seen_from_here_is_alive(ended: int, elsewhere: dict[str, str]) -> None:
    assert not has_ended(replace(this_run({"pid": ended}), **elsewhere))


def test_a_pid_that_is_used_again_is_another_process() -> None:
    assert has_ended(replace(this_run(), start="1"))
    assert not has_ended(replace(this_run(), start=""))


def test_a_process_that_its_parent_has_not_noticed_yet_has_ended() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    run = this_run({"pid": child})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert has_ended(run)
    os.waitpid(child, 0)


def test_a_holder_in_the_annotation_names_the_process(ended: int) -> None:
    run = this_run({"pid": ended})
    holder = LeaseHolder(run.who, run.host, run.pid, START, START, run.boot, run.pid_namespace, run.start)
    assert has_ended(holder)
    assert not has_ended(LeaseHolder(run.who, run.host, run.pid, START, START))


def test_a_run_of_another_process_here_is_that_process() -> None:
    parent = this_run({"id": "x", "host": socket.gethostname(), "pid": os.getppid(), **process_here(os.getppid())})
    assert parent.start
    assert (parent.boot, parent.pid_namespace) == (this_run().boot, this_run().pid_namespace)
    assert not has_ended(parent)


def test_a_command_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PROC", proc(tmp_path, "7 (a ) S 1 (b) S " + " ".join(map(str, range(4, 53)))))
    assert process_here(7) == {"boot": "b00t", "pid_namespace": str(inode(tmp_path)), "start": "22"}


@pytest.mark.parametrize("card", [0x02_42_AC_11_00_02, 0x01_00_00_00_00_01], ids=["a card", "drawn by lot"])
def test_without_proc_a_machine_is_known_by_its_network_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: int, card: int
) -> None:
    monkeypatch.setattr(lease, "PROC", tmp_path)
    monkeypatch.setattr("uuid.getnode", lambda: card)
    run = this_run({"pid": ended})
    assert (run.pid_namespace, run.start) == ("", "")
    assert has_ended(run) is bool(run.boot) is not bool(card >> 40 & 1)
    assert not has_ended(this_run())


def test_a_proc_of_another_namespace_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = proc(tmp_path, "7 (a) S " + " ".join(map(str, range(1, 50))))
    (other / "self").unlink()
    (other / "self").symlink_to("7")
    monkeypatch.setattr(lease, "PROC", other)
    assert process_here(7)["start"] == process_here(7)["pid_namespace"] == ""


def test_a_process_of_another_account_is_alive(monkeypatch: pytest.MonkeyPatch, ended: int) -> None:
    def forbid(_pid: int, _signal: int) -> None:
        raise PermissionError

    run = this_run({"pid": ended})
    monkeypatch.setattr(os, "kill", forbid)
    assert not has_ended(run)


def proc(place: Path, stat: str) -> Path:
    """A /proc of our own namespace in which process 7 has this stat."""
    for folder in ("7", "sys/kernel/random", f"{os.getpid()}/ns"):
        (place / folder).mkdir(parents=True)
    (place / "self").symlink_to(str(os.getpid()))
    (place / "self/ns/pid").touch()
    (place / "sys/kernel/random/boot_id").write_text("b00t\n")
    (place / "7/stat").write_text(stat)
    return place


def inode(place: Path) -> int:
    return (place / "self/ns/pid").stat().st_ino
