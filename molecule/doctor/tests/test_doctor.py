"""Ways to break a canary: each is named with its object, nothing else is accused, and the command given mends it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from patient import DOCTOR, GATEWAY, NAMESPACE, PUBLIC, READER, RULE, VIRTUAL_SERVICE, WORLD, Patient, late

Complaint = dict[str, Any]

OBJECTS = "deployments,services,gateways.networking.istio.io,destinationrules,virtualservices"
GREEN = ("deployment", "checkout-green")
ROUTE = ("virtualservice", VIRTUAL_SERVICE)
SUBSETS = ("destinationrule", RULE)
GATE = (GATEWAY, "checkout-entry")
SERVICE = ("service", "checkout")
NAME = f"{NAMESPACE}/{VIRTUAL_SERVICE}"

# What is broken by one patch and mended by one command: the check, the accused, the words, and the patch.
PATCHED = [
    (
        "subset_defined",
        f"VirtualService {NAME}",
        "to subset green of Service",
        SUBSETS,
        [{"op": "remove", "path": "/spec/subsets/1"}],
    ),
    (
        "subset_selects_ready_pods",
        f"Service {NAMESPACE}/checkout",
        "no Deployment makes pods with track=v7,workload=checkout",
        SUBSETS,
        [{"op": "replace", "path": "/spec/subsets/1/labels", "value": {"track": "v7"}}],
    ),
    (
        "host_resolves",
        f"VirtualService {NAME}",
        "host chekcout.canary-doctor.svc.cluster.local, which is no Service",
        ROUTE,
        [
            {
                "op": "replace",
                "path": f"/spec/http/0/route/{index}/destination/host",
                "value": f"chekcout.{NAMESPACE}.svc.cluster.local",
            }
            for index in (0, 1)
        ],
    ),
    (
        "service_selector_without_version",
        f"Service {NAMESPACE}/checkout",
        "selects by track=blue",
        SERVICE,
        [{"op": "add", "path": "/spec/selector/track", "value": "blue"}],
    ),
    (
        "gateway_selector_matches",
        f"Gateway {NAMESPACE}/checkout-entry",
        "selects no pod of any namespace by istio=nobody",
        GATE,
        [{"op": "replace", "path": "/spec/selector", "value": {"istio": "nobody"}}],
    ),
    (
        "host_in_gateway",
        f"VirtualService {NAME}",
        f"is for host {PUBLIC}, which Gateway",
        GATE,
        [{"op": "replace", "path": "/spec/servers/0/hosts", "value": ["elsewhere.test"]}],
    ),
    (
        "gateway_exists",
        f"VirtualService {NAME}",
        "names Gateway canary-doctor/no-gateway, which does not exist",
        ROUTE,
        [{"op": "replace", "path": "/spec/gateways", "value": ["no-gateway"]}],
    ),
    (
        "route_not_shadowed",
        f"VirtualService {NAME}",
        "never uses route main: route everything comes before it",
        ROUTE,
        [
            {"op": "replace", "path": "/spec/http/0/match/0/uri/prefix", "value": "/version"},
            {
                "op": "add",
                "path": "/spec/http/0",
                "value": {"name": "everything", "route": [{"destination": {"host": "checkout", "subset": "blue"}}]},
            },
        ],
    ),
    (
        "port_named_http",
        f"Service {NAMESPACE}/checkout",
        "gets HTTP on port 8088, which is named web and has no appProtocol",
        SERVICE,
        [
            {"op": "replace", "path": "/spec/ports/0/name", "value": "web"},
        ],
    ),
    (
        "weights_kept",
        f"VirtualService {NAME}",
        "something else changed them: blue 60 %, green 40 % now, blue 80 %, green 20 % when the release wrote them",
        ROUTE,
        [
            {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 60},
            {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 40},
        ],
    ),
]


MENDED = {"subset_defined", "subset_selects_ready_pods", "host_resolves", "weights_kept"}


def alone(found: dict[str, Any], check: str, place: str, words: str) -> Complaint:
    """The one problem, which must be this one."""
    problems = [each for each in found["problems"] if not late(each)]
    assert [each["check"] for each in problems] == [check], found["msg"]
    (problem,) = problems
    assert f"{problem['kind']} {problem['namespace']}/{problem['name']}" == place
    assert words in problem["problem"], problem["problem"]
    assert found["unseen"] == []
    return problem


def recent(problem: Complaint) -> None:
    """It says that it is so since the test broke it."""
    since = datetime.fromisoformat(problem["since"])
    assert timedelta(seconds=-2) <= datetime.now(UTC) - since < timedelta(minutes=2), problem["since"]
    assert problem["since_source"]


@contextmanager
def sick(patient: Patient, seconds: float = 60) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Examine until something is said that comes later than the break, such as an event."""
    deadline = time.monotonic() + seconds

    def until(words: str) -> dict[str, Any]:
        while words not in json.dumps((found := patient.examine())["problems"]):
            assert time.monotonic() < deadline, found["msg"]
            time.sleep(0.5)
        return found

    yield until


@pytest.mark.parametrize(("check", "place", "words", "broken", "patch"), PATCHED, ids=[case[0] for case in PATCHED])
def test_one_patch_breaks_and_one_command_mends_or_shows(patient, check, place, words, broken, patch):
    with patient.kept(broken):
        patient.patch(*broken, *patch)
        problem = alone(patient.examine(), check, place, words)
        recent(problem)
        assert "kubectl-patch" in problem["since_source"]
        if check in MENDED:
            assert f"{NAMESPACE} checkout" in problem["command"], "an object of the service"
            patient.follow(problem["command"])
            patient.well()
        else:
            patient.look(problem["command"])
    patient.well()


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
def test_a_revision_that_cannot_run_is_undone(patient, words, event, patch):
    with patient.kept(GREEN):
        patient.patch(*GREEN, patch)
        with sick(patient) as until:
            until(words)
            found = until(event)
        problem = alone(found, "pods_ready", f"Deployment {NAMESPACE}/checkout-green", "has 1 of 2 pods not ready")
        recent(problem)
        if "probe" in words:  # which it may pass yet
            patient.look(problem["command"], event)
        else:
            assert "rollout undo deployment" in problem["command"]
            patient.follow(problem["command"])
            patient.settled()
            patient.well()
    patient.settled()
    patient.well()


def test_a_version_with_requests_and_without_pods(patient):
    with patient.kept(GREEN):
        patient.kube.run("scale", *GREEN, "--replicas=0")
        patient.kube.run("wait", "pods", "-l", "workload=checkout,track=green", "--for=delete", "--timeout=170s")
        found = patient.examine()
        words = "has no pod and gets 20 % of the requests: Deployment checkout-green is scaled to 0"
        problem = alone(found, "pods_ready", f"Deployment {NAMESPACE}/checkout-green", words)
        recent(problem)
        assert any("subset green" in each for each in problem["symptoms"]), "a symptom is below its cause"
        patient.follow(problem["command"])
        patient.settled()
        patient.well()


def test_pods_without_a_sidecar(patient):
    """The namespace is everybody's, so that its label stays as it is: the Deployment asks for itself."""
    try:
        patient.kube.run("label", "namespace", NAMESPACE, "istio-injection-")
        patient.kube.run("rollout", "restart", *GREEN)
        patient.settled()
        words = "selects 1 of 2 ready pods without a sidecar: checkout-green-"
        problem = alone(patient.examine(), "pods_injected", f"Service {NAMESPACE}/checkout", words)
        recent(problem)
        before = patient.generations(OBJECTS)
        patient.follow(problem["command"])
        patient.settled()
        patient.well()
        changed = before.items() - patient.generations(OBJECTS).items()
        assert [uid for uid, _generation in changed] == [patient.kube.get(*GREEN)["metadata"]["uid"]]
        labels = patient.kube.get("namespace", NAMESPACE)["metadata"]["labels"]
        assert "istio-injection" not in labels
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
    spec = model["spec"]
    if kind == "virtualservice":  # which leads to nothing but stable
        spec["http"] = [{"route": [{"destination": {"host": "checkout", "subset": "blue"}}]}]
    rival = {"apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": {"name": "rival"}, "spec": spec}
    patient.kube.apply(rival)
    try:
        problem = alone(patient.examine(), check, place, f"{NAMESPACE}/rival")
        recent(problem)
        patient.look(problem["command"], "name: rival")
    finally:
        patient.kube.run("delete", kind, "rival", "--ignore-not-found")
    patient.well()


def test_a_damaged_annotation(patient):
    patient.kube.run("annotate", *ROUTE, "progressive.istio/canary={", "--overwrite")
    problem = alone(patient.examine(), "annotation_readable", f"VirtualService {NAME}", "cannot be read")
    recent(problem)
    patient.follow(problem["command"])
    patient.well()


def test_routes_that_envoy_rejects(patient):
    """istiod and the API server take a header that Envoy does not understand; the weights are live as they were."""
    headers = {"response": {"add": {"x-broken": "%NO_SUCH_COMMAND%"}}}
    with patient.kept(ROUTE):
        patient.patch(*ROUTE, {"op": "add", "path": "/spec/http/0/headers", "value": headers})
        with sick(patient) as until:
            found = until("NO_SUCH_COMMAND")
        problem = alone(found, "weights_live", f"VirtualService {NAME}", "is not live on 2 proxies: gateway")
        patient.look(problem["command"], "NO_SUCH_COMMAND")
    patient.well()


def test_a_frozen_replica(patient):
    pods = [pod["metadata"]["name"] for pod in patient.kube.list("pods", "istio=doctor-ingress")]
    patient.kube.run("exec", pods[0], "-c", "istio-proxy", "--", "pkill", "-STOP", "envoy")
    found = patient.examine()
    (problem,) = found["problems"]  # by the proxy that does not answer or, a moment later, by the pod that is not ready
    assert problem["check"] in ("weights_live", "gateway_pods_ready")
    assert (problem["kind"], problem["name"]) == ("Pod", pods[0])
    patient.look(problem["command"], pods[0])
    patient.kube.run("delete", "pod", pods[0])  # as whoever runs the gateway may decide
    patient.kube.run("rollout", "status", "deployment", "doctor-ingress", "--timeout=170s")
    patient.well()


def test_a_release_that_waits_for_a_person(patient, play):
    """By the playbook, whose output has the command that is pasted."""
    patient.canary("rolled_back")
    patient.canary("advanced", confirm=True)
    patient.canary("held")
    problem = alone(patient.examine(), "release_goes_on", f"VirtualService {NAME}", "is held at blue 80 %, green 20 %")
    recent(problem)
    sick = play("doctor", **WORLD, canary_steps=[20, 50, 100], canary_interval=0)
    assert sick.code == 2, sick.output
    assert "1 thing is wrong with VirtualService" in sick.output
    command = next(line.strip() for line in sick.output.splitlines() if "progressive.istio.advance -e" in line)
    patient.follow(command)
    assert patient.weights == {"blue": 50, "green": 50}
    patient.well()


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_all_is_well_is_one_line(play, options):
    run = play("doctor", *options, **WORLD).succeeded()
    (line,) = [line for line in run.output.splitlines() if line.startswith("Nothing is wrong with")]
    assert "blue 80 %, green 20 %; 28 checks of the mesh, live in 2 proxies" in line
    assert run.changed == 0


def test_without_rights_it_names_what_it_did_not_see(patient, account):
    """With what is listed for a canary but not for the doctor, and with nothing but the VirtualService."""
    patient.kube.run("delete", "clusterrolebinding", DOCTOR)
    with patient.kept(ROUTE):
        patient.patch(*ROUTE, {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 30})
        patient.patch(*ROUTE, {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 70})
        some = patient.examine(**account)
        patient.kube.run("delete", "clusterrolebinding", READER)
        least = patient.examine(**account)
    for found in (some, least):
        assert not found.get("failed"), found["msg"]
        assert [each["check"] for each in found["problems"]] == ["weights_kept"], found["msg"]
        assert any("Forbidden" in each for each in found["unseen"]), found["unseen"]
    assert "live in 2 proxies" in str(some["lines"])
    assert any(each.startswith("what the proxies run: ") for each in least["unseen"]), least["unseen"]
