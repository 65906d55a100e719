"""Each test begins with everything on v1, no release begun, and requests that come in steadily."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from estate import Service
from load import Load
from scheduler import Scheduler


@pytest.fixture
def scheduler(tmp_path) -> Scheduler:
    return Scheduler(tmp_path)


@pytest.fixture
def service(ingress, tmp_path) -> Iterator[Service]:
    """Opens a service by its name, with 200 requests a second."""
    running: list[Load] = []

    def start(name: str) -> Service:
        found = Service(name)
        found.reset()
        running.append(Load(f"http://{ingress}/version", f"{name}.schedule.test", 200, tmp_path / "load.json"))
        return found

    yield start
    for each in running:
        each.stop()
