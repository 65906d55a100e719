"""The files that Ansible makes of module calls, kept to run them on their own.

It makes one of `canary` only for another Python than its own, so it is given one by another name.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import commands, turns
from bench.commands import BUILD
from lab.progress import LabError

MODULES = {"canary": "AnsiballZ_canary.py", "core": "AnsiballZ_k8s_json_patch.py"}
KEEP = {"ANSIBLE_KEEP_REMOTE_FILES": "True", "ANSIBLE_PIPELINING": "False"}


@contextmanager
def made(weights: Sequence[int]) -> Iterator[Mapping[tuple[str, int], Path]]:
    """Yield the files of the calls that set these weights, by module and weight; making them sets the weights."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        python = Path(folder, "python")
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="ascii")
        python.chmod(0o755)
        turns.taken(weights, {**KEEP, "ANSIBLE_REMOTE_TMP": folder}, python)
        files: dict[tuple[str, int], Path] = {}
        for key, name in MODULES.items():
            found = sorted(Path(folder).glob(f"*/{name}"), key=lambda file: file.stat().st_mtime_ns)
            if len(found) != len(weights):
                raise LabError(f"Ansible kept {len(found)} files {name} instead of {len(weights)}: {folder}")
            files |= {(key, weight): file for weight, file in zip(weights, found, strict=True)}
        yield files


def execute(file: Path, *options: str) -> commands.Ended:
    """Run one, with options for Python, as Ansible does."""
    return commands.run([sys.executable, *options, file]).succeeded()
