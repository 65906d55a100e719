# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds where requests of others would reach new pods, and where our requests would reach pods of others."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...module_utils._k8s.conditions import is_live
from ...module_utils._k8s.owners import deployment_of, owner_of
from ...module_utils._k8s.selectors import includes
from .objects import Object, is_managed, named


def problems(
    services: list[Object],
    deployments: list[Object],
    pods: list[Object],
    *,
    namespace: str,
    app: str,
    service: str,
    versions: Mapping[str, str],
) -> list[str]:
    """One sentence each. versions: the name of each one's Deployment. Only what is not there yet is looked at."""
    found = []
    for version, name in versions.items():
        if named(deployments, name) is None:
            found += _selected(services, namespace, {"app": app, "version": version})
            found += _twins(deployments, namespace, name, version, {"app": app, "version": version})
    return list(
        dict.fromkeys(found if named(services, service) else [*found, *_reached(deployments, pods, app, service)])
    )


def _selected(services: list[Object], namespace: str, labels: Mapping[str, str]) -> list[str]:
    return [
        f"Service {namespace}/{one['metadata']['name']}: this collection did not make it, and it would send requests "
        f"to the new pods too, since it selects by {json.dumps(selector)}: give another name as canary_app"
        for one in services
        if (selector := one["spec"].get("selector")) and includes(selector, labels) and not is_managed(one)
    ]


def _twins(deployments: list[Object], namespace: str, name: str, version: str, labels: Mapping[str, str]) -> list[str]:
    """Deployments that this collection made for the same pods, under another name."""
    return [
        f"Deployment {namespace}/{one['metadata']['name']} runs {version} already, and a second one, {name}, would be "
        f"made: give its name as canary_versions.{version}.deployment"
        for one in deployments
        if is_managed(one) and ((one["spec"].get("selector") or {}).get("matchLabels") or {}) == labels
    ]


def _reached(deployments: list[Object], pods: list[Object], app: str, service: str) -> list[str]:
    ours = {one["metadata"]["name"] for one in deployments if is_managed(one)}
    strangers = {
        " ".join(owner_of(pod)).strip() or f"pod {pod['metadata']['name']}"
        for pod in pods
        if is_live(pod)
        and includes({"app": app}, pod["metadata"].get("labels") or {})
        and deployment_of(pod) not in ours
    }
    if not strangers:
        return []
    return [
        f"Service {service} would send requests to the pods of {', '.join(sorted(strangers))}, which have the label "
        f"app={app} and are not of this collection: give another name as canary_app"
    ]
