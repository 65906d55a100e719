"""The five scenes in the life of a service, as users of the collection and of kubernetes.core run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import playbooks
from bench.context import FOLDER
from bench.service import IN_MESH, Service

STEPS = [20, 40, 60, 80, 100]
INTERVAL = 1  # seconds at each weight
MOVE = "Move the requests"  # the task of the collection's playbooks that does it

# In this order: v2 comes and goes, v3 replaces it and takes over from v1, and at last v2 takes over from v3.
ROLLBACK = "rollback at 50 %"
SUPERSEDED = "a new version while another has half"
PROMOTION = f"a full promotion in {len(STEPS)} steps"
CLEANUP = "cleanup, with the pods of the old version"
TEARDOWN = "the last step, and at once the old pods deleted"

Tasks = list[playbooks.Task]
Play = Callable[[], Tasks]


@dataclass(frozen=True)
class Scene:
    """play: runs under load; prepare: runs before it."""

    play: Play
    prepare: Play = list


@dataclass(frozen=True)
class Ours:
    """By the playbooks of the collection."""

    service: Service

    def set_up(self) -> None:
        """Prepare what the other measures have left."""
        self._play("canary", "v1", "v2", weight=0)
        self.service.serve_mesh()

    def scenes(self) -> Mapping[str, Scene]:
        """The scenes in their order."""
        return {
            ROLLBACK: Scene(self._rollback),
            SUPERSEDED: Scene(self._superseded),
            PROMOTION: Scene(self._promotion, lambda: self._play("canary", "v1", "v3", weight=0)),
            CLEANUP: Scene(lambda: self._play("cleanup", "v1", "v3", canary_cleanup_after=1)),
            TEARDOWN: Scene(self._teardown, lambda: self._play("canary", "v3", "v2", weight=50, canary_confirm=True)),
        }

    def _rollback(self) -> Tasks:
        half = self._play("canary", "v1", "v2", weight=50)
        return half + self._play("rollback", "v1", "v2", canary_reason="bench")

    def _superseded(self) -> Tasks:
        half = self._play("canary", "v1", "v2", weight=50)
        comes = self._play("site", "v1", "v3")
        return half + comes + self._play("advance", "v1", "v3", canary_steps=STEPS, canary_watch=0)

    def _promotion(self) -> Tasks:
        return self._play("canary", "v1", "v3", canary_steps=STEPS, canary_interval=INTERVAL)

    def _teardown(self) -> Tasks:
        tasks = self._play("canary", "v3", "v2", weight=100)
        self.service.kube.run("delete", "deployment", "pong-server-v3", "--cascade=foreground", "--timeout=90s")
        return tasks

    def _play(self, name: str, stable: str, canary: str, **variables: Any) -> Tasks:
        return self.service.play(name, canary_stable_version=stable, canary_version=canary, **{**IN_MESH, **variables})


@dataclass(frozen=True)
class Plain:
    """By plain tasks of kubernetes.core (`plain/`)."""

    settings: Mapping[str, Any]

    def set_up(self) -> None:
        """Create the same service."""
        self._play("set_up")

    def scenes(self) -> Mapping[str, Scene]:
        """The same scenes."""
        return {
            ROLLBACK: Scene(lambda: self._play("rollback")),
            SUPERSEDED: Scene(lambda: self._play("superseded")),
            PROMOTION: Scene(lambda: self._play("promotion"), lambda: self._play("promotion_before")),
            CLEANUP: Scene(lambda: self._play("cleanup")),
            TEARDOWN: Scene(lambda: self._play("teardown"), lambda: self._play("teardown_before")),
        }

    def _play(self, name: str) -> Tasks:
        return playbooks.run(FOLDER / "plain" / f"{name}.yml", **self.settings)
