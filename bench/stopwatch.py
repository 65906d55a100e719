"""Run the canary module and print, last on standard error, when its write was answered, seen live and proven.

By this machine's clock, which the lab's node shares. It is proven when the module goes on: by then it has looked for
more proxies.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster
from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Proof
from ansible_collections.progressive.istio.plugins.module_utils._rollout.prover import Prover
from ansible_collections.progressive.istio.plugins.module_utils._rollout.snapshot import Snapshot
from ansible_collections.progressive.istio.plugins.modules import canary

stamps: dict[str, float] = {}
patch, live = Cluster.patch, Prover.live


def stamped_patch(self: Cluster, *arguments: Any, **options: Any) -> Any:
    answer = patch(self, *arguments, **options)
    stamps.setdefault("written", time.time())  # a later write is a note
    return answer


def stamped_live(self: Prover, snapshot: Snapshot, since: float, meanwhile: Callable[[], None] | None = None) -> Proof:
    proof = live(self, snapshot, since, meanwhile)
    stamps["proven"] = time.time()
    stamps["seen"] = stamps["proven"] - (time.monotonic() - since - proof.after)
    return proof


Cluster.patch = stamped_patch  # type: ignore[method-assign]
Prover.live = stamped_live  # type: ignore[method-assign]
try:
    canary.main()
finally:
    print(json.dumps(stamps), file=sys.stderr)
