"""Limits of this machine's kernel that many sidecars would meet."""

from __future__ import annotations

from pathlib import Path

from lab.progress import Progress

SETTINGS = Path("/proc/sys/fs/inotify")
# Each sidecar watches its certificates and the kubelet each pod's files, all as the same user of the one kernel. With
# the 128 instances that kernels begin with, new sidecars crash from about 40 on: "too many open files".
WANTED = {"max_user_instances": 8192, "max_user_watches": 1_048_576}


def raise_limits(progress: Progress, settings: Path = SETTINGS) -> None:
    """Raise what is too low; where this machine does not allow it, say what will fail and what to type."""
    for name, wanted in WANTED.items():
        file = settings / name
        if not file.exists() or (found := int(file.read_text())) >= wanted:
            continue
        try:
            file.write_text(str(wanted))
        except OSError as error:
            progress.say(
                f"fs.inotify.{name} is {found} and cannot be raised here ({error.strerror}): from about 40 sidecars "
                "on, new ones may crash with 'too many open files'; type as root of the machine: "
                f"sysctl fs.inotify.{name}={wanted}"
            )
        else:
            progress.say(f"fs.inotify.{name}: raised from {found} to {wanted}, for as long as this machine runs")
