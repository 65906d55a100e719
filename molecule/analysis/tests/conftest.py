"""Each test begins with everything on v1 and no release begun."""

from __future__ import annotations

import pytest
from judged import Judged
from load import Load


@pytest.fixture
def judged() -> Judged:
    found = Judged()
    found.reset()
    return found


@pytest.fixture
def probe(ingress) -> dict[str, object]:
    return {"url": f"http://{ingress}/version", "headers": {"Host": "analysis.test"}, "per_second": 100}


@pytest.fixture
def load(ingress, tmp_path):
    """Steady requests through the gateway until the test ends; the answers are counted by their status."""
    running: list[Load] = []

    def start(rate: int = 100) -> Load:
        running.append(Load(f"http://{ingress}/version", "analysis.test", rate, tmp_path / f"load-{len(running)}.json"))
        return running[-1]

    yield start
    for each in running:
        each.stop()
