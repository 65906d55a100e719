"""Each test begins with everything on v1 and no release begun."""

from __future__ import annotations

import pytest
import strangers
import watched
from judged import Judged
from load import Load
from pong import Pong

FAILING = {"PONG_ERROR_RATE": "0.1"}
PONG = Pong(
    "analysis",
    "analysis.test",
    {
        "v1": {},
        "v2": {},
        "bad": {"PONG_ERROR_RATE": "1"},
        "flaky": FAILING,
        "twin": FAILING,
        "slow": {"PONG_SLOW_RATE": "0.2", "PONG_SLOW_MS": "1000"},
    },
)


@pytest.fixture(scope="session", autouse=True)
def services() -> None:
    """All pods of all tests come up together, so that none comes up while requests are counted."""
    for wait in (False, True):
        PONG.kube.set_up(PONG.objects(), wait=wait)
        strangers.set_up(wait=wait)
        watched.set_up(wait=wait)


@pytest.fixture
def judged() -> Judged:
    found = Judged(PONG)
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
        running.append(Load(f"http://{ingress}/version", PONG.public, rate, tmp_path / f"load-{len(running)}.json"))
        return running[-1]

    yield start
    for each in running:
        each.stop()
