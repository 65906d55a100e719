"""Each test begins where `site.yml` leaves the service."""

from __future__ import annotations

import pytest
from service import Release


@pytest.fixture
def release(play) -> Release:
    release = Release(play)
    if release.weights != {"v1": 100, "v2": 0}:
        release.canary("rolled_back")
    if release.state is not None:
        release.annotate(None)
    assert release.weights == {"v1": 100, "v2": 0}
    return release
