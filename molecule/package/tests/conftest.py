"""Machines on which a user installs the collection from its tarball: one for each ansible-core."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from molecule_helpers import Run

ROOT = Path(__file__).resolve().parents[3]
KUBERNETES_CORE = Path(metadata.distribution("ansible").locate_file("ansible_collections/kubernetes/core"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "progressive.istio"


@dataclass(frozen=True)
class Machine:
    """An empty home folder with a kubeconfig in its usual place, and an environment of what the README asks for."""

    home: Path
    environment: Path

    def run(self, program: str, *words: str, folder: str = ".") -> Run:
        process = subprocess.run(
            [self.environment / "bin" / program, *words],
            cwd=self.home / folder,
            env={"HOME": str(self.home), "PATH": f"{self.environment}/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Run(process.returncode, process.stdout + process.stderr)

    def play(self, name: str, *options: str, **variables: Any) -> Run:
        extra = ["-e", json.dumps(variables)] if variables else []
        return self.run("ansible-playbook", f"progressive.istio.{name}", *options, *extra)


def pythons() -> dict[str, str]:
    """A Python for the oldest and for the newest ansible-core: that of the tests, and the other one."""
    finder = [sys.executable, str(ROOT / "tests" / "other_python.py")]
    other = subprocess.run(finder, check=True, capture_output=True, text=True).stdout.strip()
    older, newer = (other, sys.executable) if sys.version_info >= (3, 12) else (sys.executable, other)
    return {"2.16": older, "2.21": newer}


def build(folder: Path, output: Path) -> Path:
    """The tarball of the collection in a folder."""
    output.mkdir()
    command = ["ansible-galaxy", "collection", "build", str(folder), "--output-path", str(output)]
    subprocess.run(command, check=True, capture_output=True, cwd="/")
    (tarball,) = output.glob("*.tar.gz")
    return tarball


def rebuilt(folder: Path, work: Path) -> Path:
    """The tarball of an installed collection, for one that cannot be had from Galaxy."""
    shutil.copytree(folder, work, ignore=shutil.ignore_patterns("__pycache__", "FILES.json", "MANIFEST.json"))
    about = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]
    (work / "galaxy.yml").write_text(yaml.safe_dump(about), encoding="utf-8")
    return build(work, work.parent / "tarball")


def environment(core: str) -> Path:
    """The packages that the README asks for, kept in the cache folder: the tests are about what is installed on top."""
    python = pythons()[core]
    needed = [f"ansible-core~={core}.0", f"kubernetes=={metadata.version('kubernetes')}"]
    key = hashlib.sha256(" ".join([python, *needed]).encode()).hexdigest()[:12]
    folder = CACHE / "machines" / key
    complete = folder / ".complete"
    folder.mkdir(parents=True, exist_ok=True)
    # Two processes may want the same one.
    with (folder.parent / f"{key}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not complete.exists():
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
            pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "--quiet", *needed], check=True)
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The collection's, and that of the one collection it depends on."""
    own = build(ROOT, tmp_path_factory.mktemp("progressive.istio") / "tarball")
    return [str(own), str(rebuilt(KUBERNETES_CORE, tmp_path_factory.mktemp("kubernetes.core") / "collection"))]


@pytest.fixture(scope="class")
def machine(request: pytest.FixtureRequest, tarballs: list[str]) -> Iterator[Machine]:
    """A machine with the ansible-core that the class of tests names."""
    with TemporaryDirectory() as home:
        machine = Machine(Path(home), environment(request.cls.core))
        (machine.home / ".kube").mkdir()
        shutil.copy(os.environ["KUBECONFIG"], machine.home / ".kube" / "config")
        machine.run("ansible-galaxy", "collection", "install", "--offline", *tarballs).succeeded()
        yield machine
