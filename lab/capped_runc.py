"""runc without CAP_SYS_RESOURCE, for machines whose bounding set withholds it (see lab/README.md)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

WITHHELD = "CAP_SYS_RESOURCE"


def option(*names: str) -> str | None:
    for index, word in enumerate(sys.argv[:-1]):
        if word in names:
            return sys.argv[index + 1]
        if word.partition("=")[0] in names and "=" in word:
            return word.partition("=")[2]
    return None


def strip(path: str | None, process_of: Callable[[Any], Any]) -> None:
    if path is None or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    capabilities = (process_of(spec) or {}).get("capabilities") or {}
    for names in capabilities.values():
        if WITHHELD in names:
            names.remove(WITHHELD)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(spec, file)


if "create" in sys.argv or "run" in sys.argv:
    strip(os.path.join(option("--bundle", "-b") or ".", "config.json"), lambda spec: spec.get("process"))
elif "exec" in sys.argv:
    # `docker exec` into a privileged container asks for every capability again.
    strip(option("--process", "-p"), lambda spec: spec)
os.execvp("runc", ["runc", *sys.argv[1:]])
