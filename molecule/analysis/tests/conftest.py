"""Each test begins with everything on v1 and no release begun."""

from __future__ import annotations

import pytest
from judged import Judged
from load import Load
from strangers import set_up


@pytest.fixture(scope="session", autouse=True)
def strangers(request: pytest.FixtureRequest) -> None:
    """Their pods get ready while the other tests run."""
    if any("strangers" in item.nodeid for item in request.session.items):
        set_up()


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
