# SPDX-License-Identifier: GPL-3.0-or-later
"""How to go on from where a release stops, in the words of the caller. Pure.

A task goes on by options of the module, a playbook by a command, which is the last part of the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._common.shares import Share
from .._k8s.kubectl import playbook

CONFIRM, ADOPT = "-e canary_confirm=true", "-e canary_adopt=true"


@dataclass(frozen=True)
class Hints:
    """How one caller goes on.

    service: the options with which a playbook finds the service; None for a task. act, given: the playbook that asks,
    and what it was given.
    """

    service: str | None = None
    act: str = "advance"
    given: tuple[str, ...] = ()

    def stopped(self) -> str:
        return self._confirm(
            "set confirm: true to continue anyway, or release another canary",
            "release another canary, or continue anyway",
        )

    def paused(self) -> str:
        return self._confirm("set confirm: true to continue, or state: rolled_back to roll back", "continue")

    def weighted(self, weight: Share) -> str:
        task, what = f"set confirm: true to give it {weight} % anyway", f"give it {weight} % anyway"
        return self._said(task, what, "canary", f"-e weight={weight}", CONFIRM)

    def superseding(self, canary: str) -> str:
        return self._confirm(f"to release {canary} in its place set confirm: true", f"release {canary} in its place")

    def left_before(self) -> str:
        return self._confirm("set confirm: true to start it again", "start it again")

    def unreadable(self) -> str:
        task = "set adopt: true to continue from the present weights, or state: rolled_back to roll back"
        return self._said(task, "continue from the present weights", self.act, *self.given, ADOPT)

    def drifted(self) -> str:
        task = (
            "set adopt: true to continue from there, state: weighted to set another weight, "
            "or state: rolled_back to roll back"
        )
        return self._said(task, "continue from there", self.act, *self.given, ADOPT)

    def uneven(self) -> str:
        task = "name those that the release is to move by routes, or set adopt: true for the lowest share of the canary"
        what = "name those that the release is to move by canary_routes, or give all of them the canary's lowest share"
        return self._said(task, what, self.act, *self.given, ADOPT)

    def no_release(self) -> str:
        return self._said(
            "name the two versions that do, or set state: rolled_back to roll back",
            "name the two versions that do by canary_stable_version and canary_version, or roll back",
            "rollback",
        )

    def held_by_another(self) -> str:
        return self._said("state: held and state: rolled_back work at any time", "or roll back at once", "rollback")

    def partly_back(self) -> str:
        task = "state: rolled_back again completes it once they are ready, force: true at once"
        return self._said(task, "complete it once they are ready", "rollback")

    def unproven(self) -> str:
        return self._said("state: rolled_back works anyway", "roll back anyway", "rollback")

    def _confirm(self, task: str, what: str) -> str:
        return self._said(task, what, self.act, *self.given, CONFIRM)

    def _said(self, task: str, what: str, act: str, *options: str) -> str:
        return task if self.service is None else f"{what}: {playbook(act, self.service, *options)}"
