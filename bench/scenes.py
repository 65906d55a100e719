"""The five scenes in the life of a service, as the collection's users play them and as users of kubernetes.core do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import playbooks
from bench.context import FOLDER
from bench.service import IN_MESH, Service

STEPS = [20, 40, 60, 80, 100]
INTERVAL = 1  # seconds at each weight

PROMOTION = "a full promotion"
CLEANUP = "cleanup, with the pods of the old version"
ROLLBACK = "a version comes, gets half, is rolled back"
SUPERSEDED = "a version with half is superseded by another"
TEARDOWN = "the last step, and at once the old pods deleted"

Tasks = list[playbooks.Task]
Play = Callable[[], Tasks]
MOVE = "Move requests of pong-server"


@dataclass(frozen=True)
class Ours:
    """By the playbooks of the collection."""

    service: Service

    def scenes(self) -> Mapping[str, Play]:
        return {
            PROMOTION: self._promotion,
            CLEANUP: lambda: self._play("cleanup", "v1", "v2", canary_cleanup_after=1),
            ROLLBACK: self._rollback,
            SUPERSEDED: self._superseded,
            TEARDOWN: self._teardown,
        }

    def _promotion(self) -> Tasks:
        return self._play("canary", "v1", "v2", canary_steps=STEPS, canary_interval=INTERVAL)

    def _rollback(self) -> Tasks:
        return [
            *self._play("site", "v2", "v3"),
            *self._play("canary", "v2", "v3", weight=50),
            *self._play("rollback", "v2", "v3", canary_reason="bench"),
        ]

    def _superseded(self) -> Tasks:
        return [
            *self._play("canary", "v2", "v3", weight=50),
            *self._play("site", "v2", "v4"),
            *self._play("canary", "v2", "v4", weight=20),
            *self._play("canary", "v2", "v4", weight=50),
        ]

    def _teardown(self) -> Tasks:
        tasks = self._play("canary", "v2", "v4", weight=100)
        self.service.kube.run("delete", "deployment", "pong-server-v2", "pong-server-v3", "--wait=false")
        self.service.kube.run("wait", "--for=delete", "pod", "-l", "version in (v2,v3)", "--timeout=60s")
        return tasks

    def _play(self, name: str, stable: str, canary: str, **variables: Any) -> Tasks:
        return self.service.play(name, canary_stable=stable, canary_canary=canary, **{**IN_MESH, **variables})


@dataclass(frozen=True)
class Plain:
    """By tasks of kubernetes.core, the way they are written for want of something better (`plain/`)."""

    settings: Mapping[str, Any]

    def set_up(self) -> None:
        self._play("set_up")

    def scenes(self) -> Mapping[str, Play]:
        plays = {
            PROMOTION: "promotion",
            CLEANUP: "cleanup",
            ROLLBACK: "rollback",
            SUPERSEDED: "superseded",
            TEARDOWN: "teardown",
        }
        return {scene: lambda play=play: self._play(play) for scene, play in plays.items()}  # type: ignore[misc]

    def _play(self, name: str) -> Tasks:
        return playbooks.run(FOLDER / "plain" / f"{name}.yml", **self.settings)
