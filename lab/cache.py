"""The folder that outlives a checkout: what was built, keyed by what it was built from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

LAB = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "progressive.istio"


def key_of(parts: Iterable[str | Path]) -> str:
    """Return twelve hex digits that change whenever a text, a file or a file below a folder changes."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
            continue
        for path in [part] if part.is_file() else sorted(p for p in part.rglob("*") if p.is_file()):
            digest.update(str(path.relative_to(part.parent)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def built(folder: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name and key; `make` fills it first when it is not there yet.

    It appears under its name only when it is complete, so a build that was cut off is built anew.
    """
    target = ROOT / folder / key
    if not target.exists():
        partial = ROOT / folder / f"{key}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        partial.rename(target)
    return target
