"""What the documentation lists is enough, and with less it says what is missing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from molecule_helpers import Kube

LISTED = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "docs", "examples", "permissions.yml")


@pytest.fixture(scope="module")
def account(tmp_path_factory) -> dict[str, str]:
    """The options with which the module is the service account of the documentation."""
    text = (
        LISTED.read_text()
        .replace("namespace: default", "namespace: proof")
        .replace("namespace: istio-system", "namespace: proof")
    )
    kube = Kube("proof")
    kube.run("apply", "-f", "-", stdin=text)
    cluster = json.loads(kube.run("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
    authority = tmp_path_factory.mktemp("ca") / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = kube.run("create", "token", "canary").strip()
    yield {"host": cluster["server"], "api_key": token, "ca_cert": str(authority)}
    cluster_wide = ("progressive-istio-reader", "progressive-istio-doctor")
    kube.run("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", *cluster_wide)


def test_what_is_listed_is_enough(gateway, account):
    """A step with its soak, one without, a stop and the way back: all proven live, and nothing was out of sight."""
    calls = [("advanced", {"interval": 1, "watch": 1}), ("advanced", {}), ("held", {}), ("rolled_back", {})]
    for state, options in calls:
        result = gateway.canary(state, **account, **options)
        assert not result.get("failed"), result["msg"]
        assert result.get("warnings", []) == []
        assert len(result["live"]) == (0 if state == "held" else 2)
    assert gateway.weights == {"v1": 100, "v2": 0}


def test_nothing_else_may_be_done(gateway, account):
    who = "--as=system:serviceaccount:proof:canary"
    for verb, kind in [("create", "virtualservices"), ("delete", "pods"), ("get", "secrets"), ("patch", "deployments")]:
        with pytest.raises(subprocess.CalledProcessError):  # its way to say no
            gateway.kube.run("auth", "can-i", verb, kind, who, "--quiet")


def test_without_a_right_it_says_which_and_what_still_works(gateway, account):
    gateway.kube.run("delete", "rolebinding", "progressive-istio-proxies")
    refused = gateway.canary("advanced", **account)
    assert refused["failed"]
    assert "portforward" in refused["msg"]
    assert "the weights stay" in refused["msg"]
    assert gateway.weights == {"v1": 100, "v2": 0}
    assert gateway.canary("advanced", **account, proof="none")["changed"]
    gateway.kube.run("delete", "clusterrolebinding", "progressive-istio-reader")
    warned = gateway.canary("advanced", **account, proof="none")
    assert warned["changed"]
    assert len(warned["warnings"]) == 3, warned["warnings"]  # of gateways, of rivals, and of other ways to v2
    back = gateway.canary("rolled_back", **account)
    assert not back.get("failed")
    assert "not seen to be live" in str(back["warnings"])
    assert gateway.weights == {"v1": 100, "v2": 0}
