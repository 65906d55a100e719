"""When an Envoy applied its routes, by its configuration dump. Pure."""

from __future__ import annotations

import json
from datetime import datetime


def updated(dump: bytes, virtual_service: str) -> float:
    """Return when the routes of a VirtualService, `namespace/name`, changed last: seconds of the epoch, 0 for never."""
    namespace, name = virtual_service.split("/")
    origin = f'/namespaces/{namespace}/virtual-service/{name}"'
    stamps = [
        datetime.fromisoformat(config["last_updated"]).timestamp()
        for config in json.loads(dump).get("configs", [])
        if origin in json.dumps(config)
    ]
    return max(stamps, default=0.0)
