"""Accepted by the API server is not live: what happens when proxies do not run what was written."""

from __future__ import annotations

import time

from gateway import STEPS, VIRTUAL_SERVICE, proxies
from molecule_helpers import hint_of, module, paste


def test_a_step_is_live_in_every_replica(gateway):
    result = gateway.canary("advanced")
    assert result["weights"]["after"] == {"v1": 90, "v2": 10}
    assert proxies(result) == gateway.pods
    assert all(0 < each["after"] < 5000 for each in result["live"]), result["live"]
    assert "unverified" not in gateway.annotation


def test_a_frozen_replica_holds_the_step_back(gateway):
    """Nothing is written while one of two does not answer; the command that is printed rolls back all the same, and
    once it answers, the next run goes on."""
    assert gateway.canary("advanced")["changed"]
    frozen = gateway.pods[0]
    gateway.freeze(frozen)
    version = gateway.version
    playbook = f"-e canary_namespace={gateway.kube.namespace} -e canary_proof_timeout=3"
    refused = gateway.canary("advanced", proof_timeout=3, playbook_options=playbook)
    assert refused["failed"]
    assert frozen in refused["msg"]
    assert gateway.version == version
    paste(hint_of(refused["msg"]))
    assert gateway.weights == {"v1": 100, "v2": 0}
    gateway.thaw()
    assert proxies(gateway.canary("advanced", confirm=True)) == gateway.pods


def test_a_replica_that_freezes_in_mid_step_is_named_and_no_step_follows(gateway):
    frozen = gateway.pods[0]
    freeze = gateway.signal(frozen, "STOP")
    failed = gateway.canary("advanced", fault=("before-patch", freeze), proof_timeout=5)
    assert (failed["failed"], failed["changed"]) == (True, True)
    assert "accepted by the API server with v1 90 %, v2 10 %, but that is not live on 1 of 2 proxies" in failed["msg"]
    assert frozen in failed["msg"]
    assert gateway.annotation["unverified"] is True
    assert gateway.canary("advanced", proof_timeout=1)["failed"]
    assert gateway.weights == {"v1": 90, "v2": 10}
    gateway.thaw()
    following = gateway.canary("advanced")
    assert following["weights"]["after"] == {"v1": 50, "v2": 50}
    assert proxies(following) == gateway.pods


def test_a_replica_that_is_added_in_mid_step_is_proven_too(gateway):
    frozen = gateway.pods[0]
    freeze, thaw = (gateway.signal(frozen, name) for name in ("STOP", "CONT"))
    scale = "kubectl -n proof scale deployment proof-ingress --replicas=3"
    wait = "kubectl -n proof wait deployment/proof-ingress --for=jsonpath={.status.updatedReplicas}=3"
    ready = "until [ $(kubectl -n proof get pods -l istio=proof-ingress -o name | wc -l) = 3 ]; do sleep 0.2; done"
    third = "kubectl -n proof wait pods -l istio=proof-ingress --for=condition=Ready --timeout=120s"
    meanwhile = f"{freeze}; ({scale}; {wait}; {ready}; {third}; sleep 4; {thaw}) >/dev/null 2>&1 &"
    # The pods are listed again each second, and less often where that takes long.
    result = gateway.canary("advanced", fault=("before-patch", meanwhile), proof_timeout=110)
    assert not result.get("failed"), result["msg"]
    assert len(result["live"]) == 3
    assert proxies(result) == gateway.pods


def test_routes_that_envoy_rejects_are_not_live(gateway):
    """istiod and the API server take a header that Envoy does not understand."""
    headers = {"response": {"add": {"x-broken": "%NO_SUCH_COMMAND%"}}}
    gateway.patch("virtualservice", VIRTUAL_SERVICE, {"op": "add", "path": "/spec/http/0/headers", "value": headers})
    try:
        begin = time.monotonic()
        failed = gateway.canary("advanced", proof_timeout=110)
        assert failed["failed"]
        assert "rejects the routes that istiod sent" in failed["msg"], failed["msg"]
        assert "NO_SUCH_COMMAND" in failed["msg"]
        assert time.monotonic() - begin < 80, "a rejection is not waited for until the deadline"
    finally:
        gateway.patch("virtualservice", VIRTUAL_SERVICE, {"op": "remove", "path": "/spec/http/0/headers"})
    assert gateway.canary("advanced", confirm=True)["weights"]["after"]["v2"] in STEPS


def test_versions_that_proxies_know_and_do_not(gateway):
    options = {"gateways": ["pong-server-gateway"], "namespace": "proof", "destination_host": gateway.pong.host}
    known = module("proxy_wait", **options, subsets=["v1", "v2"])
    assert len(known["proxies"]) == 2
    unknown = module("proxy_wait", **options, subsets=["v1", "v9"], wait_timeout=1)
    assert "no cluster for subset v9" in unknown["msg"]
    assert (
        "has routes to subset v1"
        in module("proxy_wait", **options, subsets=["v1"], state="absent", wait_timeout=1)["msg"]
    )
    assert not module("proxy_wait", **options, subsets=["v2"], state="absent").get("failed")
