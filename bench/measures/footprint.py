"""Memory and import time of the module process.

Both are measured on the very files that Ansible makes of a module call, which compile what they import each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from bench import commands, payloads
from bench.context import Bench
from bench.findings import Findings, Row
from bench.imports import import_seconds
from lab.progress import LabError

WEIGHTS = (30, 40)
ENOUGH = 5  # both hardly vary


def measure(bench: Bench) -> Findings:
    """Compare canary with kubernetes.core's k8s_json_patch."""
    memory: dict[str, list[float]] = {key: [] for key in payloads.MODULES}
    imports: dict[str, list[float]] = {key: [] for key in payloads.MODULES}
    with payloads.made(WEIGHTS) as files:
        for number in range(min(bench.rounds, ENOUGH)):
            for key in payloads.MODULES:
                file = files[key, WEIGHTS[number % 2]]
                memory[key].append(_memory(payloads.execute(file)))
                imports[key].append(_imports(payloads.execute(file, "-X", "importtime")))
    return findings_of(
        {key: median(values) for key, values in memory.items()},
        {key: median(values) for key, values in imports.items()},
    )


def findings_of(memory: Mapping[str, float], imports: Mapping[str, float]) -> Findings:
    """Pure."""
    return Findings(
        "Module process",
        (
            Row("memory at most, median", f"{memory['canary']:.0f} MB", f"{memory['core']:.0f} MB"),
            Row("import time, median", f"{imports['canary']:.3f} s", f"{imports['core']:.3f} s"),
        ),
        {
            "memory_mb": round(memory["canary"], 1),
            "kubernetes_core_memory_mb": round(memory["core"], 1),
            "import_seconds": round(imports["canary"], 3),
            "kubernetes_core_import_seconds": round(imports["core"], 3),
        },
    )


def _memory(ended: commands.Ended) -> float:
    if ended.memory_mb <= (own := commands.own_memory_mb()):
        raise LabError(f"a module needs less than the bench itself ({own:.0f} MB), so its need is unknown")
    return ended.memory_mb


def _imports(ended: commands.Ended) -> float:
    if not (seconds := import_seconds(ended.errors)):
        raise LabError("Python reported no imports of a module, so their time is not known")
    return seconds
