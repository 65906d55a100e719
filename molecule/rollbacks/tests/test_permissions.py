"""The playbooks of the collection, run by an account that has what the documentation lists and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign import Foreign
from molecule_helpers import Kube, module

LISTED = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "docs", "examples", "permissions.yml")
MADE = "app.kubernetes.io/managed-by=progressive.istio"


@pytest.fixture
def account(shop: Foreign, tmp_path: Path) -> Iterator[str]:
    """The kubeconfig of the account, with the names of this service filled in."""
    names = {
        "namespace: default": f"namespace: {shop.namespace}",
        "pong-server-virtual-service": f"{shop.name}-routes",
        "pong-server-destination-rule": shop.name,
        "[pong-server-deployment, pong-server-v2]": f"[{shop.name}-blue, {shop.name}-green]",
        "progressive-istio-": f"{shop.namespace}-",
    }
    text = LISTED.read_text()
    for listed, name in names.items():
        assert listed in text
        text = text.replace(listed, name)
    subprocess.run(["kubectl", "apply", "-f", "-"], input=text, check=True, capture_output=True, text=True)
    config = json.loads(shop.kube.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"] = [{"name": "canary", "user": {"token": shop.kube.run("create", "token", "canary").strip()}}]
    config["contexts"][0]["context"]["user"] = "canary"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    yield str(file)
    cluster_wide = [f"{shop.namespace}-{name}" for name in ("reader", "doctor")]
    shop.kube.run("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", *cluster_wide)
    Kube("istio-system").run("delete", "--ignore-not-found", "role,rolebinding", f"{shop.namespace}-proxies")


@pytest.fixture
def begun(shop: Foreign) -> None:
    """All requests on blue, and no release."""
    route = {"route": shop.destinations({"blue": 100, "green": 0})}
    shop.patch(
        "virtualservice",
        f"{shop.name}-routes",
        {"op": "replace", "path": "/spec/http", "value": [route]},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
    )


@pytest.fixture
def restored(shop: Foreign) -> Iterator[None]:
    """After a cleanup the service gets its parts back."""
    yield
    shop.set_up(wait=False)


def test_without_the_right_to_watch_no_step_is_written(shop: Foreign, begun: None, account: str) -> None:
    role = f"{shop.namespace}-canary"
    rules = shop.kube.get("role", role)["rules"]
    blind = [{**each, "verbs": [verb for verb in each["verbs"] if verb != "watch"]} for each in rules]
    shop.patch("role", role, {"op": "replace", "path": "/rules", "value": blind})
    route = f"{shop.name}-routes"
    options = {"name": route, "namespace": shop.namespace, "stable": "blue", "canary": "green", "kubeconfig": account}
    before = shop.kube.get("virtualservice", route)["metadata"]["resourceVersion"]
    result = module("canary", **options, state="advanced", steps=[50, 100], interval=5)
    assert (result["failed"], result["changed"]) == (True, False), result["msg"]
    place = f"in namespace {shop.namespace}"
    assert f"the account may not watch virtualservices {route} {place}, watch pods {place}" in result["msg"]
    assert shop.kube.get("virtualservice", route)["metadata"]["resourceVersion"] == before


def test_what_is_listed_is_enough_for_the_playbooks(
    shop: Foreign, begun: None, restored: None, account: str, play: Any
) -> None:
    """All steps with their own requests, the examination, and the cleanup of what site.yml would have made."""
    variables = {
        "canary_namespace": shop.namespace,
        "canary_app": shop.name,
        "canary_service": shop.name,
        "canary_virtual_service": f"{shop.name}-routes",
        "canary_destination_rule": shop.name,
        "canary_gateway": f"{shop.name}-entry",
        "canary_gateway_hosts": [shop.public],
        "canary_routes": [],
        "canary_stable_version": "blue",
        "canary_version": "green",
        "canary_steps": [50, 100],
        "canary_interval": 1,
        "canary_version_path": "/version",
        "canary_probe_requests": 10,
        "canary_cleanup_after": 0,
        "canary_kubeconfig": account,
    }
    blue = f"{shop.name}-blue"
    shop.kube.run("label", "--overwrite", "deployment", blue, f"app={shop.name}", "version=blue", MADE)
    assert play("canary", **variables).succeeded().changed == 1
    names = {"name": f"{shop.name}-routes", "namespace": shop.namespace, "stable": "blue", "canary": "green"}
    examined = module("canary_doctor", **names, kubeconfig=account)
    assert (examined.get("failed", False), examined["unseen"]) == (False, []), examined["msg"]
    play("cleanup", **variables).succeeded()
    assert [each["metadata"]["name"] for each in shop.kube.list("deployments")] == [f"{shop.name}-green"]
