"""The way back from every state that has stood in its way, while a service of somebody else is under load."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from foreign import Foreign
from molecule_helpers import module
from pace import Pace
from relay import Relay
from shop import OTHER, SHOP

ANNOTATION = "progressive.istio/canary"
DELAY = 0.75  # seconds for each way to the API server
BOUND = 2.0  # seconds that a rollback waits for what it can do without
ROUTES = f"{SHOP.name}-routes"
OPTIONS = {"name": ROUTES, "namespace": SHOP.namespace, "stable": "blue", "canary": "green", "route": "web"}
HALF, BACK = {"blue": 50, "green": 50}, {"blue": 100, "green": 0}


def rule(service: Foreign, name: str, weights: Mapping[str, int], prefix: str = "") -> dict[str, Any]:
    match = {"match": [{"uri": {"prefix": prefix}}]} if prefix else {}
    return {"name": name, **match, "route": service.destinations(weights)}


@pytest.fixture
def half(shop, loaded) -> Callable[..., None]:
    """Begin with half of the requests on the canary: the rules and the annotation as they are given."""

    def begin(*rules: dict[str, Any], note: str | None = None, **others: str) -> None:
        notes = {**({ANNOTATION: note} if note else {}), **others}
        patch = [
            {"op": "replace", "path": "/spec/http", "value": list(rules) or [rule(SHOP, "web", HALF)]},
            {"op": "add", "path": "/metadata/annotations", "value": notes},
        ]
        words = ["patch", "virtualservice", ROUTES, "--type=json", "--patch-file=/dev/stdin"]  # it may be large
        shop.kube.run(*words, stdin=json.dumps(patch))

    return begin


def released(half: Callable[..., None], **options: Any) -> str:
    """The annotation of a release under way at half."""
    half(rule(SHOP, "web", BACK))
    steps = {"steps": [50, 100], "interval": 3600, "watch": 0}
    result = module("canary", **{**OPTIONS, "state": "advanced", "proof": "none", **steps, **options})
    assert not result.get("failed"), result["msg"]
    return note(SHOP)


def note(shop: Foreign) -> str:
    return shop.kube.get("virtualservice", ROUTES)["metadata"]["annotations"][ANNOTATION]


def splits(shop: Foreign) -> dict[str, dict[str, int]]:
    """The weights in each rule that has some."""
    http = shop.kube.get("virtualservice", ROUTES)["spec"]["http"]
    return {
        each["name"]: {entry["destination"]["subset"]: entry.get("weight", 0) for entry in each["route"]}
        for each in http
        if "route" in each
    }


def roll_back(**options: Any) -> dict[str, Any]:
    """Go back, proven live, and a second time without a change."""
    result = module("canary", **{**OPTIONS, "state": "rolled_back", **options})
    assert (result.get("failed", False), result["changed"]) == (False, True), result["msg"]
    assert result["live"], (result["msg"], result.get("warnings"))
    again = module(
        "canary", **{**OPTIONS, "state": "rolled_back", **{k: v for k, v in options.items() if k != "fault"}}
    )
    assert (again.get("failed", False), again["changed"]) == (False, False), again["msg"]
    return result


def test_whatever_other_settings_say(shop, half, play):
    """By the playbook, as a person does it in a hurry with the settings that are there."""
    half()
    names = {"canary_namespace": shop.namespace, "canary_app": shop.name, "canary_service": shop.name}
    names |= {
        "canary_virtual_service": ROUTES,
        "canary_stable_version": "blue",
        "canary_version": "green",
        "canary_routes": ["web"],
    }
    wrong = {
        "canary_interval": "10m",
        "canary_steps": [50, 10],
        "canary_on_failure": "explode",
        "canary_adopt": "perhaps",
    }
    wrong |= {"canary_analysis": {"no_such_key": 1}, "canary_analisys": {}, "canary_skip_checks": "nothing"}
    wrong |= {
        "canary_deadline": "2m",
        "canary_proof_timeout": "30s",
        "canary_watch": "long",
        "canary_versions": {"v1": {"x": 1}},
    }
    assert play("rollback", **names, **wrong).succeeded().changed == 1
    assert splits(shop) == {"web": BACK}


def test_after_the_rule_was_renamed_and_beside_one_for_some_users(shop, half):
    """The name is gone: both rules that split between the two versions go back, in one write."""
    state = released(half)
    half(rule(SHOP, "beta", {"blue": 10, "green": 90}, "/beta"), rule(SHOP, "main", HALF), note=state)
    result = roll_back(destination_host=SHOP.host)
    assert splits(shop) == {"beta": BACK, "main": BACK}
    assert "has no HTTP route web" in str(result["warnings"])
    assert json.loads(note(shop))["phase"] == "rolled_back"


def test_with_the_annotation_of_the_virtual_service_that_it_was_copied_from(shop, half):
    copied = {**json.loads(released(half)), "stable": "green", "canary": "red", "host": "elsewhere", "route": "web"}
    half(note=json.dumps(copied))
    roll_back(destination_host=SHOP.host)
    assert splits(shop) == {"web": BACK}
    assert json.loads(note(shop))["stable"] == "blue"


def test_while_another_service_of_the_virtual_service_releases(shop, half):
    half(rule(OTHER, "cart", BACK, "/cart"), rule(SHOP, "web", HALF))
    steps = {"steps": [10, 100], "interval": 3600, "watch": 0, "proof": "none"}
    place = {"route": "cart", "destination_host": OTHER.host}
    cart = module("canary", **{**OPTIONS, **place, "state": "advanced", **steps})
    assert cart["changed"], cart["msg"]
    theirs = json.loads(note(shop))
    roll_back(destination_host=SHOP.host)
    assert splits(shop) == {"cart": {"blue": 90, "green": 10}, "web": BACK}
    assert json.loads(note(shop))["services"][OTHER.host] == theirs


def test_a_release_without_a_route_name_takes_all_steps_and_goes_back(shop, half):
    half(rule(SHOP, "web", BACK))
    for weight in (50, 100):
        steps = {"steps": [50, 100], "interval": 0, "watch": 0, "route": ""}
        result = module("canary", **{**OPTIONS, "state": "advanced", **steps})
        assert result["weights"]["after"]["green"] == weight, result["msg"]
    roll_back(route="")
    assert splits(shop) == {"web": BACK}


def test_beside_annotations_that_leave_no_room(shop, half):
    half(filling="x" * (256 * 1024 - 12))
    result = roll_back()
    assert splits(shop) == {"web": BACK}
    assert "Too long" in str(result["warnings"])


def test_while_somebody_puts_a_rule_before_ours(shop, half, split):
    """Between read and write; what is reported as live is what users get."""
    half()
    moved = {"name": "moved", "match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/version"}}
    operation = json.dumps([{"op": "add", "path": "/spec/http/0", "value": moved}])
    patch = f"kubectl -n {shop.namespace} patch virtualservice {ROUTES} --type=json -p '{operation}'"
    roll_back(fault=("before-patch", patch))
    split(0, "blue", "green", count=200, host=shop.public)


@contextmanager
def slow(shop: Foreign) -> Iterator[str]:
    """A kubeconfig with which the same API server takes its time."""
    config = json.loads(shop.kube.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    with Relay(server.hostname, server.port, delay=DELAY) as relay:
        cluster |= {"server": f"https://127.0.0.1:{relay.port}", "tls-server-name": server.hostname}
        yield config


def test_through_a_slow_api_server(shop, half):
    """The write leaves after the connection, one read and a bound, and not after all that could be read before it."""
    half()
    with slow(shop) as config, Pace() as pace:
        result = module("canary", **{**OPTIONS, "state": "rolled_back"}, kubeconfig=config)
    assert not result.get("failed"), result["msg"]
    assert splits(shop) == {"web": BACK}
    decided = datetime.fromisoformat(result["transitions"][0]["at"]) - datetime.fromisoformat(result["run"]["began"])
    assert decided.total_seconds() < 2 * 2 * DELAY + BOUND + 1.5 * pace.slowdown
