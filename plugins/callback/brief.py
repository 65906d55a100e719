# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
version_added: 1.1.0
short_description: Print what a play shows, and each failure as one sentence
author:
  - Contributors to the progressive.istio project (@progressive-istio)
description:
  - Of a play of this collection it prints the progress, the tables and the warnings, and nothing of other tasks.
  - A failure is one line with the host and the reason, where the default callback of Ansible prints the whole result.
  - The last line counts the hosts that changed and those that failed.
  - With C(-v) everything is printed as the default callback does.
requirements:
  - to be selected, for example by C(ANSIBLE_STDOUT_CALLBACK=progressive.istio.brief)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

from typing import Any

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable
from ansible_collections.progressive.istio.plugins.module_utils._common.text import plural

DEBUG = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")


class CallbackModule(Default):  # type: ignore[misc]  # Ansible is not typed
    """Ansible's own callback without what is not for people."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "progressive.istio.brief"

    def __init__(self) -> None:
        super().__init__()
        self._failed: set[str] = set()  # hosts; of each the first reason is the true one

    @property
    def _brief(self) -> bool:
        return not self._display.verbosity

    def _print_task_banner(self, task: Any) -> None:
        if not self._brief:
            super()._print_task_banner(task)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if not self._brief:
            super().v2_playbook_on_play_start(play)
            return
        self._play = play
        self._failed.clear()
        self._display.display(printable(play.get_name().strip()))

    def v2_runner_on_ok(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_on_ok(result)
            return
        found = _part(result, "result")
        self._handle_warnings(found)
        if _part(result, "task").action in DEBUG and "msg" in found:
            lines = found["msg"] if isinstance(found["msg"], list) else str(found["msg"]).split("\n")
            for line in lines:
                self._display.display(printable(str(line)))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self.v2_runner_on_ok(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_item_on_skipped(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if not self._brief:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if not self._brief:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._brief:
            super().v2_runner_on_failed(result, ignore_errors)
        elif not ignore_errors:
            self._show_failure(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if self._brief:
            self._show_failure(result)
        else:
            super().v2_runner_item_on_failed(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._brief:
            self._show_failure(result)
        else:
            super().v2_runner_on_unreachable(result)

    def _show_failure(self, result: Any) -> None:
        found, host = _part(result, "result"), _part(result, "host").get_name()
        self._handle_warnings(found)
        if host in self._failed:
            return
        self._failed.add(host)
        said = str(found.get("msg") or found.get("module_stderr") or "it failed without a reason")
        self._display.display(
            f"{host}: {printable(said)}", color=C.COLOR_ERROR, stderr=self.get_option("display_failed_stderr")
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._brief:
            super().v2_playbook_on_stats(stats)
            return
        hosts = [stats.summarize(host) for host in stats.processed]
        changed = sum(host["changed"] > 0 for host in hosts)
        failed = sum(host["failures"] + host["unreachable"] > 0 for host in hosts)
        self._display.display(f"{plural(len(hosts), 'host')}: changed={changed} failed={failed}")


def _part(result: Any, name: str) -> Any:
    """A part of a result; before ansible-core 2.19 only its private name is there."""
    return getattr(result, name if hasattr(result, name) else f"_{name}")
