"""A GitOps controller that applies the same VirtualService from Git, by server-side apply as another field manager."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from load import Load
from service import ANNOTATION, PONG, VIRTUAL_SERVICE

MANIFEST = next(each for each in PONG.objects() if each["kind"] == "VirtualService")


@pytest.fixture
def load(ingress, tmp_path) -> Iterator[Load]:
    load = Load(f"http://{ingress}/version", PONG.public, 50, tmp_path / "load.json")
    yield load
    load.stop()


def apply(release, manifest: dict[str, Any], *options: str) -> None:
    words = ("apply", "--server-side", "--field-manager=gitops", *options, "-f", "-")
    release.kube.run(*words, stdin=json.dumps(manifest))


def with_weights(release, **rule: Any) -> dict[str, Any]:
    """The manifest as a sync writes it that leaves the weights as they are, with other changes of the rule."""
    live = release.kube.get("virtualservice", VIRTUAL_SERVICE)["spec"]["http"][0]["route"]
    (http,) = MANIFEST["spec"]["http"]
    return {**MANIFEST, "spec": {**MANIFEST["spec"], "http": [{**http, "route": live, **rule}]}}


def test_an_apply_in_mid_release_is_reported_and_loses_nothing(release, load):
    apply(release, MANIFEST, "--force-conflicts")
    release.canary("advanced")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        apply(release, MANIFEST)
    assert ".spec.http" in refused.value.stderr  # one field for all rules, so no field manager can own a weight alone
    assert release.weights == {"v1": 90, "v2": 10}

    apply(release, MANIFEST, "--force-conflicts")
    assert release.weights == {"v1": 100, "v2": 0}
    assert release.state["weights"]["canary"] == 10
    drifted = release.canary("advanced")
    assert drifted["failed"]
    assert "another writer" in drifted["msg"]
    assert release.weights == {"v1": 100, "v2": 0}
    assert release.info()["problems"]
    assert release.canary("rolled_back")["weights"]["after"] == {"v1": 100, "v2": 0}
    assert set(load.stop()) == {"200"}


def test_an_apply_that_leaves_the_weights_alone_does_not_disturb_a_release(release, load):
    apply(release, MANIFEST, "--force-conflicts")
    release.canary("advanced")
    apply(release, with_weights(release, timeout="17s"), "--force-conflicts")
    assert release.canary("advanced")["weights"]["after"] == {"v1": 70, "v2": 30}
    live = release.kube.get("virtualservice", VIRTUAL_SERVICE)
    assert live["spec"]["http"][0]["timeout"] == "17s"
    assert ANNOTATION in live["metadata"]["annotations"]
    assert set(load.stop()) == {"200"}
