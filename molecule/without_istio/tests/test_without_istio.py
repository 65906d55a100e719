"""A cluster without Istio is recognised, named, and left as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def bare() -> str:
    return str(Path(os.environ["KUBECONFIG"]).parent.parent / "bare" / "kubeconfig")


@pytest.mark.parametrize(("playbook", "variables"), [("site", {}), ("canary", {"weight": 20}), ("doctor", {})])
def test_the_missing_istio_is_named(play, bare, playbook, variables):
    run = play(playbook, canary_kubeconfig=bare, **variables)
    assert run.code != 0
    assert run.changed == 0
    assert "Istio" in run.output
    assert "install" in run.output
    assert "Traceback" not in run.output


def test_site_in_check_mode_says_the_same(play, bare):
    run = play("site", "--check", canary_kubeconfig=bare)
    assert run.code != 0
    assert "There is no Istio" in run.output
