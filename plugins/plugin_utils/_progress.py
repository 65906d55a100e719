# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the services of one task are: a line for each event of a few, one line for many every EVERY seconds."""

from __future__ import annotations

import fcntl
import json
import time
from collections import defaultdict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from ..module_utils._common.text import listing
from ..module_utils._report.progress import progress_line
from ..module_utils._rollout.heartbeat import EVERY
from ..module_utils._rollout.snapshot import Snapshot

FEW = 3  # services of which each event is shown
NAMED = 3

Tell = Callable[[Snapshot, str], None]


def teller(hosts: list[str], folder: Path, show: Callable[[str], None]) -> Tell:
    """What shows a line about one of the services of these hosts. folder: of the whole run, for all its processes."""
    if len(hosts) <= FEW:
        return lambda snapshot, line: show(progress_line(snapshot, line))
    name = sha256("\n".join(hosts).encode()).hexdigest()[:16]
    file = folder / f"progress-{name}.json"

    def tell(snapshot: Snapshot, _line: str) -> None:
        target = snapshot.target
        share = float(snapshot.all_shares.get(target.canary, 0))
        line = noted(file, f"{target.namespace}/{target.name}", share, len(hosts), time.time())
        if line:
            show(line)

    return tell


def noted(file: Path, name: str, share: float, total: int, now: float) -> str:
    """Note the share of a canary for all processes; the line to show if one is due, which the first event is not."""
    with file.open("a+", encoding="utf-8") as text:
        fcntl.flock(text, fcntl.LOCK_EX)
        text.seek(0)
        known = json.loads(text.read() or "{}") or {"shown": now, "began": now, "shares": {}}
        known["shares"][name] = share
        due = now - known["shown"] >= EVERY
        if due:
            known["shown"] = now
        text.truncate(0)
        text.write(json.dumps(known))
    return summary(known["shares"], total, now - known["began"]) if due else ""


def summary(shares: dict[str, float], total: int, seconds: float) -> str:
    """How many services are at each weight; the names where they are few."""
    groups: defaultdict[float, list[str]] = defaultdict(list)
    for name, share in sorted(shares.items()):
        groups[share].append(name)
    parts = [f"{len(names)} at {share:g} % ({listing(names, NAMED)})" for share, names in sorted(groups.items())]
    left = f"; {total - len(shares)} not begun or unchanged" if total > len(shares) else ""
    return f"after {seconds:.0f} s, of {total} services: {', '.join(parts)}{left}"
