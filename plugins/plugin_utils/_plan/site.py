# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason why a service cannot be set up, before the first object is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...module_utils._routing.hosts import ServiceName, identity
from . import app_version, destination_rule, gateway, injection, overlap, virtual_service
from .objects import NotOurs

Found = Mapping[str, Any]


def problems(found: Mapping[str, Found], settings: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """One sentence each.

    found: what objects_info found of each kind in the namespace.
    settings: named without their prefix canary_. labels: of the namespace.
    """
    return [
        *_problem(injection.problem(labels, **_of(settings, "namespace", mode="injection", revision="revision"))),
        *_missing(settings),
        *_host(settings),
        *_workloads(found, settings),
        *_routing(found, settings),
    ]


def _problem(text: str) -> list[str]:
    return [text] if text else []


def _missing(settings: Mapping[str, Any]) -> list[str]:
    """What a service of its own must be given, since only the tutorial has it by default."""
    versions = (settings["stable_version"], settings["version"])
    found = [
        f"version {version} has no image: give canary_image or canary_versions.{version}.image"
        for version in versions
        if not ((settings["versions"].get(version) or {}).get("image") or settings["image"])
    ]
    if not int(settings["container_port"]):
        found.append("the port of the container is not known: give canary_container_port")
    return [f"{text} (a service that is there already needs no site.yml)" for text in found]


def _host(settings: Mapping[str, Any]) -> list[str]:
    own = ServiceName(settings["namespace"], settings["service"])
    if identity(settings["host"], settings["namespace"]) == own:
        return []
    return [
        f"canary_host is {settings['host']}, which is not Service {own} that would be set up, so the routes would not "
        "lead to it: give canary_service, canary_namespace and canary_cluster_domain instead"
    ]


def _workloads(found: Mapping[str, Found], settings: Mapping[str, Any]) -> list[str]:
    services, deployments = (found[kind]["resources"] for kind in ("Service", "Deployment"))
    found_: list[str] = []
    names: dict[str, str] = {}
    for version, service in ((settings["stable_version"], settings["service"]), (settings["version"], "")):
        given = settings["versions"].get(version) or {}
        names[version] = given.get("deployment") or f"{settings['app']}-{version}"
        found_ += app_version.problems(
            services,
            deployments,
            version=version,
            service=service,
            deployment=names[version],
            **_of(settings, "namespace", "app"),
        )
    pods = found["Pod"]["resources"]
    return found_ + overlap.problems(
        services, deployments, pods, versions=names, **_of(settings, "namespace", "app", "service")
    )


def _routing(found: Mapping[str, Found], settings: Mapping[str, Any]) -> list[str]:
    """Nothing where Istio is not installed yet: then it has no objects of others either."""
    plans: list[tuple[str, Callable[..., Mapping[str, Any]], dict[str, Any]]] = [
        (
            "DestinationRule",
            destination_rule.plan,
            _of(settings, "namespace", "host", name="destination_rule")
            | {"subsets": [settings["stable_version"], settings["version"]]},
        ),
        (
            "Gateway",
            gateway.plan,
            _of(
                settings,
                "namespace",
                name="gateway",
                selector="ingress_selector",
                port="gateway_port",
                hosts="gateway_hosts",
            ),
        ),
        (
            "VirtualService",
            virtual_service.plan,
            _of(
                settings,
                *("namespace", "host", "port", "route"),
                stable="stable_version",
                canary="version",
                name="virtual_service",
                hosts="gateway_hosts",
            )
            | {"gateways": [settings["gateway"]]},
        ),
    ]
    return [
        problem
        for kind, plan, arguments in plans
        if found[kind].get("api_found", True) and (problem := _refusal(plan, found[kind], arguments))
    ]


def _refusal(plan: Callable[..., object], found: Found, arguments: Mapping[str, Any]) -> str:
    try:
        plan(found, **arguments)
    except NotOurs as refused:
        return str(refused)
    return ""


def _of(settings: Mapping[str, Any], *names: str, **renamed: str) -> dict[str, Any]:
    return {name: settings[name] for name in names} | {name: settings[setting] for name, setting in renamed.items()}
