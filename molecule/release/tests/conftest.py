"""Each test begins where `site.yml` leaves the service."""

from __future__ import annotations

import pytest
from service import PONG, Release


@pytest.fixture(scope="session", autouse=True)
def pong() -> None:
    PONG.set_up()


@pytest.fixture
def release(play) -> Release:
    release = Release(play)
    release.reset()
    return release
