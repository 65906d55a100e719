# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the Service and the Deployment of a version can be written."""

from __future__ import annotations

import json
from typing import Any

from .objects import Object, is_managed, named, not_ours

NO_SITE = "a service that is there already needs no site.yml, only a route with both versions; for one of its own"


def problems(
    services: list[Object],
    deployments: list[Object],
    *,
    namespace: str,
    app: str,
    version: str,
    service: str,
    deployment: str,
) -> list[str]:
    """One sentence for each of the two that is there and cannot be written; no service means that none is written."""
    found = named(services, service) if service else None
    problem = _service(found, app) if found else ""
    result = [f"Service {namespace}/{service}: {problem}"] if problem else []
    found = named(deployments, deployment)
    problem = _deployment(found, app, version) if found else ""
    return [*result, f"Deployment {namespace}/{deployment}: {problem}"] if problem else result


def _service(current: Object, app: str) -> str:
    if not is_managed(current):
        return not_ours("its selector and ports", f"{NO_SITE} give another name as canary_app or canary_service")
    selector = current["spec"].get("selector") or {}
    if selector in ({}, {"app": app}):
        return ""
    return (
        f"it selects pods by {json.dumps(selector)} and must select by app={app} alone, so that the pods of every "
        "version are behind it: correct its selector, or give another name as canary_service"
    )


def _deployment(current: Object, app: str, version: str) -> str:
    name = f"canary_versions.{version}.deployment"
    if not is_managed(current):
        return not_ours("its image, ports and probe", f"{NO_SITE} give another name as canary_app or {name}")
    selector: dict[str, Any] = (current["spec"].get("selector") or {}).get("matchLabels") or {}
    if selector in ({}, {"app": app, "version": version}):
        return ""
    return (
        f"it selects pods by {json.dumps(selector)}, not by app={app} and version={version}, and a selector cannot be "
        f"changed: give another name as {name}"
    )
