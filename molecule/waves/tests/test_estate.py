"""Services of all kinds, found by the inventory plugin: every playbook runs with that alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from foreign import Foreign
from molecule_helpers import Run

API = "networking.istio.io/v1"
LABELS = {"estate": "found"}
NEW = {"blue": 100, "green": 0}
ANNOTATION = "progressive.istio/canary"
PACE = {"canary_watch": 0, "canary_interval": 3600, "canary_proof_timeout": 120}  # whatever else the machine does
MOVED = ["inside.waves", "named.waves", "several.waves", "short.waves", "unnamed.waves"]
GRAPH = """@all:
  |--@ungrouped:
  |--@canaries:
  |  |--inside.waves
  |  |--named.waves
  |  |--several.waves
  |  |--short.waves
  |  |--unnamed.waves
  |--@candidates:
  |  |--single.waves
  |--@namespace_waves:
  |  |--inside.waves
  |  |--named.waves
  |  |--several.waves
  |  |--short.waves
  |  |--single.waves
  |  |--unnamed.waves
"""


def objects(service: Foreign, name: str, *rules: Mapping[str, Any], mesh: bool = False) -> list[dict[str, Any]]:
    """A Service over the pods of the scenario, its subsets and its routes, as its team would write them."""

    def made(api: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        meta = {"name": name, "namespace": service.namespace, "labels": LABELS}
        return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}

    ports = [{"name": "http-web", "port": 8088, "targetPort": 8080}]
    subsets = [{"name": version, "labels": {service.label: version}} for version in service.versions]
    inside = {"hosts": [name], "exportTo": ["."]}  # of the scenarios beside this one, no sidecar is concerned
    reached = inside if mesh else {"hosts": [f"{name}.waves.test"], "gateways": ["waves-entry"]}
    return [
        made("v1", "Service", {"selector": {"workload": service.name}, "ports": ports}),
        made(API, "DestinationRule", {"host": name, "subsets": subsets}),
        made(API, "VirtualService", {**reached, "http": rules}),
    ]


def rule(host: str, weights: Mapping[str, int], name: str = "", **parts: Any) -> dict[str, Any]:
    route = [
        {"destination": {"host": host, "subset": version, "port": {"number": 8088}}, "weight": weight}
        for version, weight in weights.items()
    ]
    return ({"name": name} if name else {}) | parts | {"route": route}


def full(name: str) -> str:
    return f"{name}.waves.svc.cluster.local"


@pytest.fixture(scope="module")
def estate(service) -> Foreign:
    static = [{"uri": {"prefix": "/static"}}]
    services = [
        *objects(service, "unnamed", rule(full("unnamed"), NEW)),
        *objects(
            service,
            "named",
            rule(full("named"), {"blue": 100}, "static", match=static),
            rule(full("named"), NEW, "main", retries={"attempts": 2}),
        ),
        *objects(
            service, "several", rule(full("several"), NEW, "api", match=static), rule(full("several"), NEW, "web")
        ),
        *objects(service, "inside", rule(full("inside"), NEW), mesh=True),
        *objects(service, "short", rule("short", NEW)),
        *objects(service, "single", rule(full("single"), {"blue": 100})),
    ]
    service.kube.run("delete", "virtualservice", "-l", "estate=found")  # with the releases of an earlier run
    service.kube.apply({"apiVersion": "v1", "kind": "List", "items": services})
    return service


@pytest.fixture
def found(estate, tmp_path) -> Path:
    file = tmp_path / "canaries.istio.yml"
    file.write_text(
        json.dumps(
            {
                "plugin": "progressive.istio.canaries",
                "namespaces": [estate.namespace],
                "label_selectors": [f"{name}={value}" for name, value in LABELS.items()],
            }
        )
    )
    return file


def inventory(file: Path, *words: str, **environment: str) -> Run:
    process = subprocess.run(
        ["ansible-inventory", "-i", file, *words],
        cwd="/",
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "9999", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Run(process.returncode, process.stdout + process.stderr)


def specs(service: Foreign) -> dict[str, Any]:
    """All that others have written into the routes: without weights and our annotation."""
    left: dict[str, Any] = {}
    for one in service.kube.list("virtualservice", "estate=found"):
        for each in one["spec"]["http"]:
            for entry in each["route"]:
                entry.pop("weight", None)
        meta = one["metadata"]
        notes = {name: text for name, text in (meta.get("annotations") or {}).items() if name != ANNOTATION}
        left[meta["name"]] = (one["spec"], meta["labels"], notes)
    return left


def greens(service: Foreign) -> dict[str, list[int]]:
    """What green has in each rule that names it."""
    return {
        one["metadata"]["name"]: [
            entry.get("weight", 0)
            for each in one["spec"]["http"]
            for entry in each["route"]
            if entry["destination"]["subset"] == "green"
        ]
        for one in service.kube.list("virtualservice", "estate=found")
    }


def test_the_services_are_found(found):
    run = inventory(found, "--graph").succeeded()
    assert run.output.startswith(GRAPH), run.output


def test_every_act_needs_nothing_but_the_inventory(play: Callable[..., Run], estate, found):
    before, here = specs(estate), ("-i", str(found))

    status = play("status", *here).succeeded()
    assert not {"single.waves"} & set(status.output.split())
    for name in MOVED:
        assert name in status.output

    run = play("advance", *here, **PACE)
    assert (run.code, run.changed) == (0, 5), run.output
    five = {"inside": [5], "named": [5], "several": [5, 5], "short": [5], "unnamed": [5], "single": []}
    assert greens(estate) == five
    groups = json.loads(inventory(found, "--list").succeeded().output)
    assert groups["phase_progressing"]["hosts"] == MOVED

    again = play("advance", *here, **PACE)
    assert (again.code, again.changed) == (0, 0), again.output

    back = play("rollback", *here, canary_proof_timeout=120)
    assert (back.code, back.changed) == (0, 5), back.output
    assert greens(estate) == {name: [0] * len(weights) for name, weights in five.items()}
    assert specs(estate) == before


def test_the_right_to_list_is_enough_and_a_missing_one_is_named(estate, found, tmp_path):
    account = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "estate"}
    rights = {"apiGroups": ["networking.istio.io"], "resources": ["virtualservices", "destinationrules"]}
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "estate"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "estate"},
            "rules": [{**rights, "verbs": ["list"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "estate"},
            "roleRef": account,
            "subjects": [{"kind": "ServiceAccount", "name": "estate", "namespace": estate.namespace}],
        },
    ]
    estate.kube.apply({"apiVersion": "v1", "kind": "List", "items": items})
    config = json.loads(estate.kube.run("config", "view", "--raw", "--minify", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = estate.kube.run("create", "token", "estate").strip()
    login = {"K8S_AUTH_HOST": cluster["server"], "K8S_AUTH_API_KEY": token, "K8S_AUTH_SSL_CA_CERT": str(authority)}
    assert "unnamed.waves" in inventory(found, "--graph", **login).succeeded().output

    everywhere = tmp_path / "all.istio.yml"
    everywhere.write_text("plugin: progressive.istio.canaries")
    run = inventory(everywhere, "--graph", **login)
    said = " ".join(run.output.split())
    assert "at the cluster scope (403 Forbidden); grant the account `list` on virtualservices" in said, run.output
    assert "or set `namespaces` to those where it has it" in said
