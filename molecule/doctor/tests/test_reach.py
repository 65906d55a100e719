"""A version at 0 % has the users that come by another way: each that is told is real, and told until it is closed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from patient import CHECKOUT, NAMESPACE, PUBLIC, RULE, VIRTUAL_SERVICE, Patient

ROUTE = ("virtualservice", VIRTUAL_SERVICE)
SUBSETS = ("destinationrule", RULE)
REQUESTS = 40  # of which an equal split leaves out a version once in a million million times
URL = "http://checkout:8088/version"
PLACE = f"VirtualService {NAMESPACE}/{VIRTUAL_SERVICE}"
HEADER = f"green is also reached by HTTP route number 1 of {PLACE} (header x-canary)"
MIRROR = f"green also gets copies by the mirror of HTTP route main of {PLACE} (uri prefix /)"
CALLERS = (
    f"green is also reached through Service {NAMESPACE}/checkout: callers inside the mesh get any of its pods, for no "
    "VirtualService bound to mesh routes it"
)


@pytest.fixture
def caller(patient: Patient) -> Iterator[str]:
    """A pod of somebody else in the mesh, whose requests go through its sidecar."""
    gateway = patient.kube.list("pods", "istio=doctor-ingress")[0]
    container = {"name": "caller", "image": gateway["spec"]["containers"][0]["image"], "command": ["sleep", "600"]}
    container["securityContext"] = {"runAsUser": 1000}
    meta = {"name": "caller", "labels": {"app": "shopfront"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    patient.kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    patient.kube.run("wait", "pod", "caller", "--for=condition=Ready", "--timeout=170s")
    yield "caller"
    patient.kube.run("delete", "pod", "caller", "--wait=false")


def inside(patient: Patient) -> Counter[str]:
    """Who answers a caller inside the mesh."""
    loop = f"for i in $(seq {REQUESTS}); do curl -s {URL}; echo; done"
    answers = patient.kube.run("exec", "caller", "-c", "caller", "--", "sh", "-c", loop)
    return Counter(line.strip() for line in answers.splitlines() if line.strip())


def outside(patient: Patient, **headers: str) -> Counter[str]:
    """Who answers those who come through the gateway."""
    found: Counter[str] = Counter()
    address = patient.kube.get("service", "doctor-ingress")["status"]["loadBalancer"]["ingress"][0]["ip"]
    connection = HTTPConnection(address, timeout=10)
    for number in range(REQUESTS):
        connection.request("GET", "/version", headers={"Host": PUBLIC, "Cookie": f"user={number}", **headers})
        found[connection.getresponse().read().decode().strip()] += 1
    return found


def told(result: dict[str, Any]) -> list[str]:
    """The warnings about other ways, in words; ansible-core wraps them."""
    texts = [each if isinstance(each, str) else each["event"]["msg"] for each in result.get("warnings") or []]
    return [text for text in texts if "also" in text]


def until_only_blue(patient: Patient) -> None:
    deadline = time.monotonic() + 30
    while len(inside(patient)) > 1:
        assert time.monotonic() < deadline


def test_the_ways_that_are_told_are_those_by_which_users_come(patient, caller):
    green = CHECKOUT.destinations({"green": 100})[0]["destination"]
    header = {"match": [{"headers": {"x-canary": {"exact": "1"}}}], "route": [{"destination": green}]}
    sticky = {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "user", "ttl": "0s"}}}}
    with patient.kept(ROUTE, SUBSETS):
        patient.patch(*SUBSETS, {"op": "add", "path": "/spec/trafficPolicy", "value": sticky})
        patient.patch(
            *ROUTE,
            {"op": "add", "path": "/spec/http/0/mirror", "value": green},
            {"op": "add", "path": "/spec/http/0", "value": header},
        )
        result = patient.canary("rolled_back", skip_checks=[])
        assert told(result) == [HEADER, MIRROR, CALLERS]
        assert result["weights"]["after"] == {"blue": 100, "green": 0}
        assert outside(patient) == {"blue": REQUESTS}, "a cookie holds nobody on a version"
        assert outside(patient, **{"x-canary": "1"}) == {"green": REQUESTS}
        assert inside(patient).keys() == {"blue", "green"}
        doctor = patient.examine(skip_checks=[])
        checks = [each["check"] for each in doctor["problems"]]
        assert checks == ["reached_by_weight_alone", "reached_by_weight_alone", "callers_routed"], doctor["msg"]
        assert doctor["ok"]
        for problem in doctor["problems"]:
            patient.look(problem["command"])

        patient.patch(*ROUTE, {"op": "remove", "path": "/spec/http/0"}, {"op": "remove", "path": "/spec/http/0/mirror"})
        blue = [{"route": [{"destination": {"host": CHECKOUT.host, "subset": "blue"}}]}]
        mesh = {"hosts": [CHECKOUT.host], "gateways": ["mesh"], "http": blue}
        kind = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "checkout-inside"},
        }
        patient.kube.apply({**kind, "spec": mesh})
        try:
            patient.canary("weighted", weight=20, skip_checks=[])
            assert told(patient.canary("rolled_back", skip_checks=[])) == []
            until_only_blue(patient)
            assert outside(patient, **{"x-canary": "1"}) == {"blue": REQUESTS}
        finally:
            patient.kube.run("delete", "virtualservice", "checkout-inside")
