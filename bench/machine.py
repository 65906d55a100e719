"""The machine and the versions of a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import yaml

from bench import commands
from lab import pins

ROOT = Path(__file__).resolve().parent.parent


def busy() -> str:
    """Return the load average of the last minute: other work on the machine affects all numbers."""
    return f"{os.getloadavg()[0]:.1f}"


def described(load: str) -> dict[str, dict[str, str]]:
    """Return the facts that the numbers depend on. load: before the measures."""
    return {
        "machine": {
            "cpus": str(os.cpu_count()),
            "model": _line("/proc/cpuinfo", "model name"),
            "memory": _line("/proc/meminfo", "MemTotal"),
            "kernel": platform.release(),
            "load before": load,
        },
        "versions": {
            "progressive.istio": _collection(),
            "ansible-core": version("ansible-core"),
            "kubernetes.core": _kubernetes_core(),
            "kubernetes": version("kubernetes"),
            "python": platform.python_version(),
            "Kubernetes": pins.KUBERNETES,
            "Istio": pins.ISTIO,
            "Envoy": pins.ENVOY,
        },
    }


def _line(file: str, key: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")


def _collection() -> str:
    release = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    commit = commands.run(["git", "-C", ROOT, "describe", "--always", "--dirty"]).output.strip()
    return f"{release} ({commit or 'no commit known'})"


def _kubernetes_core() -> str:
    listing = commands.run(["ansible-galaxy", "collection", "list", "kubernetes.core"]).succeeded().output
    return next(line.split()[1] for line in listing.splitlines() if line.startswith("kubernetes.core"))
