"""The playbook in which canary, kubernetes.core and kubectl make the same change in turn."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import playbooks
from bench.context import FOLDER
from bench.service import NAMESPACE, RIVALS, VIRTUAL_SERVICE

# The tool and the name of its task.
TASKS = {"canary": "Step by canary", "core": "Write by kubernetes.core", "kubectl": "Write by kubectl"}
BY_CORE, BY_KUBECTL = RIVALS


def taken(
    weights: Sequence[int], env: Mapping[str, str] | None = None, python: Path | str = sys.executable
) -> list[playbooks.Task]:
    """Let all three set one weight after the other, and return their tasks. python: that of the modules."""
    return playbooks.run(
        FOLDER / "plays" / "turns.yml",
        env=env,
        bench_python=str(python),
        bench_weights=list(weights),
        bench_namespace=NAMESPACE,
        bench_virtual_service=VIRTUAL_SERVICE,
        bench_by_kubernetes_core=BY_CORE,
        bench_by_kubectl=BY_KUBECTL,
    )
