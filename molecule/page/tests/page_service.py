"""The service of this scenario."""

from __future__ import annotations

from pathlib import Path

FILES = Path(__file__).parents[1] / "files"
SERVICE = {"canary_namespace": "canary-page", "canary_gateway_hosts": ["page.test"], "canary_probe_requests": 0}
TARGET = {"name": "pong-server-virtual-service", "namespace": "canary-page", "stable": "v1", "canary": "v2"}
