"""Each test begins with everything on v1 and no release begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from estate import Service
from load import Load
from scheduler import Scheduler


@pytest.fixture
def scheduler(tmp_path) -> Scheduler:
    return Scheduler(tmp_path)


@pytest.fixture
def estate() -> Callable[[str], Service]:
    """Opens a service by its name."""

    def start(name: str) -> Service:
        found = Service(name)
        found.reset()
        return found

    return start


@pytest.fixture
def service(estate, ingress, tmp_path) -> Iterator[Callable[[str], Service]]:
    """The same, with 200 requests a second that come in steadily."""
    running: list[Load] = []

    def start(name: str) -> Service:
        found = estate(name)
        running.append(Load(f"http://{ingress}/version", f"{name}.schedule.test", 200, tmp_path / "load.json"))
        return found

    yield start
    for each in running:
        each.stop()
