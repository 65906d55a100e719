# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for sidecars: each broken one is one finding."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._istio.mesh import Focus
from ansible_collections.progressive.istio.plugins.module_utils._preflight import injection
from broken_mesh import (
    Case,
    RuleTests,
    World,
    found,
    made,
    move,
    not_ready,
    without_sidecars,
)

CASES: list[Case] = [
    (
        "single_injection_label",
        "warning",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "enabled", "istio.io__rev": "default"}),
        "has the labels istio-injection=enabled and istio.io/rev=default: the first applies; "
        "keep one, as the owner of the namespace decides, since it applies to all new pods: "
        "kubectl get namespace default -o yaml",
    ),
    (
        "single_injection_label",
        "error",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "enabled", "istio.io__dataplane-mode": "ambient"}),
        "has the labels istio.io/dataplane-mode=ambient and istio-injection=enabled: its pods get one of the two",
    ),
    (
        "single_injection_label",
        "warning",
        "Namespace default",
        lambda w: w.label(**{"istio-injection": "disabled", "istio.io__rev": "canary"}),
        "has the labels istio-injection=disabled and istio.io/rev=canary: the first applies",
    ),
    (
        "injection_label_answered",
        "error",
        "Namespace default",
        lambda w: w.label(**{"istio.io__rev": "canary"}),
        "has the label istio.io/rev=canary, which no sidecar injector selects, so its new pods get none; "
        "its owner may label it for an installed revision (default)",
    ),
    (
        "injection_label_answered",
        "error",
        "Namespace default",
        lambda w: w.mutating_webhooks.pop(0),
        "has the label istio-injection=enabled, which no sidecar injector selects, so its new pods get none; install",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: not_ready(w.injectors[0]),
        "calls Service istio-system/istiod, which has 0 ready of 1 pod, so no pod of namespace default can be created; "
        "see why: kubectl get pods -n istio-system -l app=istiod --show-labels",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: w.services.pop(),
        "calls Service istio-system/istiod, which does not exist",
    ),
    (
        "injector_ready",
        "error",
        "MutatingWebhookConfiguration istio-sidecar-injector",
        lambda w: w.mutating_webhooks[0]["webhooks"][0]["clientConfig"].update(caBundle=""),
        "has no caBundle for namespace.sidecar-injector.istio.io",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars(),
        "selects 2 of 2 ready pods without a sidecar: pong-v1-a, pong-v2-a; "
        "restart them, since they are older than the injection",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("unlabelled"),
        "; label their template sidecar.istio.io/inject=true, or ask for the label of the namespace",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("hostNetwork"),
        "; run them without hostNetwork",
    ),
    (
        "pods_injected",
        "error",
        "Service default/pong-server-service",
        without_sidecars("opt-out"),
        "; remove sidecar.istio.io/inject: false from their template",
    ),
    (
        "configuration_validated",
        "warning",
        "VirtualService default/pong",
        lambda w: w.validating_webhooks[0]["webhooks"].pop(0),
        "is validated by no webhook, so a mistake in it would be accepted and ignored",
    ),
    (
        "configuration_validated",
        "warning",
        "VirtualService default/pong",
        lambda w: w.validating_webhooks[0]["webhooks"][0].update(failurePolicy="Ignore"),
        "is validated only with failurePolicy Ignore",
    ),
]


class TestRules(RuleTests):
    module, cases = injection, CASES


def test_pods_come_into_the_mesh_one_deployment_after_the_other() -> None:
    world = World()
    made(world)
    restarts = [finding.command for finding in found(world)]
    assert restarts == [f"kubectl rollout restart deployment -n default pong-{version}" for version in ("v1", "v2")]
    world.namespaces[0]["metadata"]["labels"] = {}
    labelled = found(world)[0].command
    assert labelled.startswith("kubectl patch deployment -n default pong-v1 --type merge -p")
    assert json.loads(shlex.split(labelled)[-1]) == {
        "spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}}}
    }
    world.mutating_webhooks[0]["webhooks"].pop()
    assert found(world)[0].command == "kubectl describe pod -n default pong-v1-a", "no injector would inject them"
    world.pods[0]["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    out = next(finding for finding in found(world) if "remove sidecar" in finding.remedy)
    assert out.command.startswith("kubectl patch deployment -n default pong-v1 --type merge -p")


def test_pods_of_others_without_a_sidecar_are_shown() -> None:
    world = World()
    made(world)
    move(world.virtual_services[0], "team")
    world.virtual_services[0]["spec"]["gateways"] = ["default/pong-gateway"]
    world.focus = Focus("team", "pong")
    commands = [each.command for each in found(world) if each.check == "pods_injected"]
    assert commands == [f"kubectl describe pod -n default pong-{version}-a" for version in ("v1", "v2")]


@pytest.mark.parametrize(
    ("spec", "restarts"),
    [
        ({}, True),
        ({"strategy": {"type": "Recreate"}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}, False),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}, "replicas": 2}, True),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "50%"}}, "replicas": 2}, True),
        ({"paused": True}, False),
        ({"replicas": 0}, False),
    ],
)
def test_no_restart_is_advised_that_leaves_nobody_to_serve(spec: dict[str, Any], restarts: bool) -> None:
    world = World()
    made(world)
    world.deployments[0]["spec"].update(spec)
    finding = found(world)[0]
    assert ("rollout restart" in finding.command) == restarts
    assert restarts or "has no ready pod during a restart" in finding.remedy
