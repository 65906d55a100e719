"""Ways to break a canary: each is named with its object, nothing else is accused, and the command given mends it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from patient import GATEWAY, NAMESPACE, READER, RULE, VIRTUAL_SERVICE, WORLD, Patient

Complaint = dict[str, Any]

V2 = ("deployment", "pong-server-v2")
ROUTE = ("virtualservice", VIRTUAL_SERVICE)
SUBSETS = ("destinationrule", RULE)
GATE = (GATEWAY, "pong-server-gateway")
SERVICE = ("service", "pong-server-service")
NAME = f"{NAMESPACE}/{VIRTUAL_SERVICE}"

# What is broken by one patch and mended by one command: the check, the accused, the words, and the patch.
PATCHED = [
    (
        "subset_defined",
        f"VirtualService {NAME}",
        "to subset v2 of Service",
        SUBSETS,
        [{"op": "remove", "path": "/spec/subsets/1"}],
    ),
    (
        "subset_selects_ready_pods",
        f"Service {NAMESPACE}/pong-server-service",
        "no Deployment makes pods with app=pong-server,version=v7",
        SUBSETS,
        [{"op": "replace", "path": "/spec/subsets/1/labels", "value": {"version": "v7"}}],
    ),
    (
        "host_resolves",
        f"VirtualService {NAME}",
        "host pong-server-servise.canary-doctor.svc.cluster.local, which is no Service",
        ROUTE,
        [
            {
                "op": "replace",
                "path": f"/spec/http/0/route/{index}/destination/host",
                "value": f"pong-server-servise.{NAMESPACE}.svc.cluster.local",
            }
            for index in (0, 1)
        ],
    ),
    (
        "service_selector_without_version",
        f"Service {NAMESPACE}/pong-server-service",
        "selects by version=v1",
        SERVICE,
        [{"op": "add", "path": "/spec/selector/version", "value": "v1"}],
    ),
    (
        "gateway_selector_matches",
        f"Gateway {NAMESPACE}/pong-server-gateway",
        "selects no pod of any namespace by istio=nobody",
        GATE,
        [{"op": "replace", "path": "/spec/selector", "value": {"istio": "nobody"}}],
    ),
    (
        "host_in_gateway",
        f"VirtualService {NAME}",
        "is for host doctor.test, which Gateway",
        GATE,
        [{"op": "replace", "path": "/spec/servers/0/hosts", "value": ["elsewhere.test"]}],
    ),
    (
        "gateway_exists",
        f"VirtualService {NAME}",
        "is bound to Gateway canary-doctor/no-gateway, which does not exist",
        ROUTE,
        [{"op": "replace", "path": "/spec/gateways", "value": ["no-gateway"]}],
    ),
    (
        "route_not_shadowed",
        f"VirtualService {NAME}",
        "never uses route primary, for route everything stands before it",
        ROUTE,
        [
            {"op": "replace", "path": "/spec/http/0/match/0/uri/prefix", "value": "/version"},
            {
                "op": "add",
                "path": "/spec/http/0",
                "value": {"name": "everything", "route": [{"destination": {"host": "pong-server-service"}}]},
            },
        ],
    ),
    (
        "port_named_http",
        f"Service {NAMESPACE}/pong-server-service",
        "gets HTTP on port 80, which is named web and has no appProtocol",
        SERVICE,
        [
            {"op": "replace", "path": "/spec/ports/0/name", "value": "web"},
            {"op": "remove", "path": "/spec/ports/0/appProtocol"},
        ],
    ),
    (
        "weights_kept",
        f"VirtualService {NAME}",
        "has the weights v1 60 %, v2 40 %, and the release wrote v1 80 %, v2 20 %",
        ROUTE,
        [
            {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 60},
            {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 40},
        ],
    ),
]


def alone(found: dict[str, Any], check: str, place: str, words: str) -> Complaint:
    """The one complaint, which must be this one."""
    assert [each["check"] for each in found["complaints"]] == [check], found["msg"]
    (complaint,) = found["complaints"]
    assert f"{complaint['kind']} {complaint['namespace']}/{complaint['name']}" == place
    assert words in complaint["problem"], complaint["problem"]
    assert found["unseen"] == []
    return complaint


def recent(complaint: Complaint) -> None:
    """It says that it is so since the test broke it."""
    since = datetime.fromisoformat(complaint["since"])
    assert timedelta(seconds=-2) <= datetime.now(UTC) - since < timedelta(minutes=2), complaint["since"]
    assert complaint["told_by"]


def well(patient: Patient, seconds: float = 30) -> None:
    """The doctor is content again, soon."""
    deadline = time.monotonic() + seconds
    while (found := patient.examine())["complaints"]:
        assert time.monotonic() < deadline, found["msg"]
        time.sleep(0.5)


@contextmanager
def sick(patient: Patient, seconds: float = 60) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Examine until something is said that comes later than the break, such as an event."""
    deadline = time.monotonic() + seconds

    def until(words: str) -> dict[str, Any]:
        while words not in json.dumps((found := patient.examine())["complaints"]):
            assert time.monotonic() < deadline, found["msg"]
            time.sleep(0.5)
        return found

    yield until


@pytest.mark.parametrize(("check", "place", "words", "broken", "patch"), PATCHED, ids=[case[0] for case in PATCHED])
def test_one_patch_breaks_and_one_command_mends(patient, check, place, words, broken, patch):
    with patient.kept(broken):
        patient.patch(*broken, *patch)
        complaint = alone(patient.examine(), check, place, words)
        recent(complaint)
        assert "kubectl-patch" in complaint["told_by"]
        patient.follow(complaint["command"])
        well(patient)


# A new revision that never comes to run: the words of the pod, of its event, and the patch.
CONTAINER = "/spec/template/spec/containers/0"
REVISIONS = [
    (
        "cannot start: ",
        "Failed to pull image",
        {"op": "replace", "path": f"{CONTAINER}/image", "value": "registry.invalid/pong:none"},
    ),
    (
        "runs, but its readiness probe does not pass",
        "Readiness probe failed: HTTP probe failed with statuscode: 404",
        {"op": "replace", "path": f"{CONTAINER}/readinessProbe/httpGet/path", "value": "/nowhere"},
    ),
    (
        "crashes (CrashLoopBackOff",
        "Back-off restarting failed container",
        {"op": "add", "path": f"{CONTAINER}/command", "value": ["/no/such"]},
    ),
]


@pytest.mark.parametrize(("words", "event", "patch"), REVISIONS, ids=["image", "probe", "crash"])
def test_a_revision_that_does_not_run_is_undone(patient, words, event, patch):
    with patient.kept(V2):
        patient.patch(*V2, patch)
        with sick(patient) as until:
            until(words)
            found = until(event)
        complaint = alone(found, "pods_ready", f"Deployment {NAMESPACE}/pong-server-v2", "has 1 of 2 pods not ready")
        recent(complaint)
        assert "rollout undo deployment" in complaint["command"]
        patient.follow(complaint["command"])
        patient.settled()
        well(patient)


def test_a_version_with_requests_and_without_pods(patient):
    with patient.kept(V2):
        patient.kube.run("scale", *V2, "--replicas=0")
        patient.kube.run("wait", "pods", "-l", "app=pong-server,version=v2", "--for=delete", "--timeout=60s")
        found = patient.examine()
        words = "has no pod and gets 20 % of the requests: Deployment pong-server-v2 is scaled to 0"
        complaint = alone(found, "pods_ready", f"Deployment {NAMESPACE}/pong-server-v2", words)
        recent(complaint)
        assert any("subset v2" in each for each in complaint["symptoms"]), "what follows stands below its cause"
        patient.follow(complaint["command"])
        patient.settled()
        well(patient)


def test_pods_without_a_sidecar(patient):
    try:
        patient.kube.run("label", "namespace", NAMESPACE, "istio-injection-")
        patient.kube.run("rollout", "restart", *V2)
        patient.settled()
        words = "leads to 1 of 2 ready pods without a sidecar: pong-server-v2-"
        complaint = alone(patient.examine(), "pods_injected", f"Service {NAMESPACE}/pong-server-service", words)
        recent(complaint)
        patient.follow(complaint["command"])
        patient.settled()
        well(patient)
    finally:
        patient.kube.run("label", "namespace", NAMESPACE, "istio-injection=enabled", "--overwrite")


@pytest.mark.parametrize(
    ("kind", "name", "check", "place"),
    [
        ("virtualservice", VIRTUAL_SERVICE, "one_route_per_gateway_host", f"VirtualService {NAME}"),
        ("destinationrule", RULE, "one_definition_per_subset", f"DestinationRule {NAMESPACE}/{RULE}"),
    ],
)
def test_a_rival(patient, kind, name, check, place):
    model = patient.kube.get(kind, name)
    rival = {
        "apiVersion": model["apiVersion"],
        "kind": model["kind"],
        "metadata": {"name": "rival"},
        "spec": model["spec"],
    }
    time.sleep(1)  # creation has whole seconds, and the younger one is told by it
    patient.kube.apply(rival)
    try:
        complaint = alone(patient.examine(), check, place, f"{NAMESPACE}/rival")
        recent(complaint)
        patient.follow(complaint["command"])
        well(patient)
    finally:
        patient.kube.run("delete", kind, "rival", "--ignore-not-found")


def test_a_damaged_annotation(patient):
    patient.kube.run("annotate", *ROUTE, "progressive.istio/canary={", "--overwrite")
    complaint = alone(patient.examine(), "annotation_readable", f"VirtualService {NAME}", "cannot be read")
    recent(complaint)
    patient.follow(complaint["command"])
    well(patient)


def test_routes_that_envoy_rejects(patient):
    """istiod and the API server take a header that Envoy does not understand; the weights are live as they were."""
    headers = {"response": {"add": {"x-broken": "%NO_SUCH_COMMAND%"}}}
    with patient.kept(ROUTE):
        patient.patch(*ROUTE, {"op": "add", "path": "/spec/http/0/headers", "value": headers})
        with sick(patient) as until:
            found = until("NO_SUCH_COMMAND")
        complaint = alone(found, "weights_live", f"VirtualService {NAME}", "is not live on 2 proxies: gateway")
        assert " edit virtualservice -n canary-doctor" in complaint["command"]
    well(patient)


def test_a_frozen_replica(patient):
    pods = [pod["metadata"]["name"] for pod in patient.kube.list("pods", "istio=doctor-ingress")]
    patient.kube.run("exec", pods[0], "-c", "istio-proxy", "--", "pkill", "-STOP", "envoy")
    found = patient.examine()
    (complaint,) = found[
        "complaints"
    ]  # by the proxy that does not answer or, a moment later, by the pod that is not ready
    assert complaint["check"] in ("weights_live", "gateway_pods_ready")
    assert (complaint["kind"], complaint["name"]) == ("Pod", pods[0])
    patient.follow(complaint["command"])
    patient.kube.run("rollout", "status", "deployment", "doctor-ingress", "--timeout=60s")
    well(patient)


def test_a_release_that_waits_for_a_person(patient, play):
    """By the playbook, whose output has the command that is pasted."""
    patient.canary("rolled_back")
    patient.canary("advanced", confirm=True)
    patient.canary("held")
    complaint = alone(patient.examine(), "release_goes_on", f"VirtualService {NAME}", "is held at v1 80 %, v2 20 %")
    recent(complaint)
    sick = play("doctor", **WORLD, canary_steps=[20, 50, 100], canary_interval=0)
    assert sick.code == 2, sick.output
    assert "1 thing is wrong with VirtualService" in sick.output
    command = next(line.strip() for line in sick.output.splitlines() if "progressive.istio.promote -e" in line)
    patient.follow(f"{command} -e '{json.dumps(WORLD)}'")
    assert patient.kube.weights() == {"v1": 50, "v2": 50}
    well(patient)


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_all_is_well_is_one_line(play, options):
    run = play("doctor", *options, **WORLD).succeeded()
    (line,) = [line for line in run.output.splitlines() if line.startswith("Nothing is wrong with")]
    assert "v1 80 %, v2 20 %; 29 checks of the mesh, live in 2 proxies" in line
    assert run.changed == 0


def test_without_rights_it_names_what_it_did_not_see(patient, account):
    """With what the documentation lists for a canary, and with nothing but the VirtualService."""
    with patient.kept(ROUTE):
        patient.patch(*ROUTE, {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 30})
        patient.patch(*ROUTE, {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 70})
        some = patient.examine(**account)
        patient.kube.run("delete", "clusterrolebinding", READER)
        least = patient.examine(**account)
    for found in (some, least):
        assert not found.get("failed"), found["msg"]
        assert [each["check"] for each in found["complaints"]] == ["weights_kept"], found["msg"]
        assert any("Forbidden" in each for each in found["unseen"]), found["unseen"]
    assert "live in 2 proxies" in str(some["lines"])
    assert any(each.startswith("what the proxies run: ") for each in least["unseen"]), least["unseen"]
