"""Run the canary module; the last line of its standard error says when its write was answered and when proven."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._cluster import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._proof import Prover
from ansible_collections.progressive.istio.plugins.modules import canary

stamps: dict[str, float] = {}


def stamped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Note by this machine's clock, which the lab's node shares, when it returned for the first time."""

    @wraps(function)
    def timed(*arguments: Any, **options: Any) -> Any:
        answer = function(*arguments, **options)
        stamps.setdefault(name, time.time())
        return answer

    return timed


for owner, function, name in ((Cluster, "patch", "written"), (Prover, "live", "proven")):
    setattr(owner, function, stamped(name, getattr(owner, function)))
try:
    canary.main()
finally:
    print(json.dumps(stamps), file=sys.stderr)
