"""The Prometheus that the role has installed."""

from __future__ import annotations

import re

import pytest


@pytest.fixture(scope="module")
def found(play):
    """How a run without a word about installing finds what is there."""
    return play("observability", observability_namespace="observability-prometheus").succeeded()


@pytest.fixture(scope="module")
def url(found) -> str:
    return re.search(r"Prometheus answers at (http://[\d.]+:\d+)", found.output).group(1)
