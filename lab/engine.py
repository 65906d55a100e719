"""Docker: the one that answers, or one started here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lab.cache import LAB, ROOT
from lab.progress import LabError, Progress, ask

CAP_SYS_RESOURCE = 24
START_SECONDS = 180


def answers() -> bool:
    return ask(["docker", "version", "--format", "{{.Server.Version}}"]) is not None


def lacks_cap_sys_resource() -> bool:
    """Tell whether this machine's bounding set withholds the capability that privileged containers ask for."""
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd:"))
    return not int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1


def _capped_runtime() -> Path:
    """Return the OCI runtime that asks for one capability less, put where it outlives this checkout."""
    target = ROOT / "engine" / "capped-runc"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"#!{Path(sys.executable).resolve()}\n" + (LAB / "capped_runc.py").read_text())
    target.chmod(0o755)
    return target


def _install(progress: Progress, *packages: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabError(
            f"{', '.join(packages)} are missing and cannot be installed here: "
            "the lab needs root on a Debian machine, or a Docker that answers 'docker version' already."
        )
    progress.run(["apt-get", "update", "-q"])
    progress.run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )


def _alive(pid: str) -> bool:
    """Tell whether a process runs; one that was killed and never reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ensure(progress: Progress) -> None:
    """Make Docker answer. Raises LabError when it neither answers nor can be installed and started."""
    if answers():
        progress.done("Docker", "answers")
        return
    if os.geteuid() != 0:
        raise LabError(
            "no Docker answers and this is not root, so none can be started: start Docker "
            "(and check with 'docker version'), or run this as root."
        )
    with progress.step("Start Docker"):
        if shutil.which("dockerd") is None:
            _install(progress, "docker.io", "iptables", "iproute2")
        # A daemon that was killed leaves its pid files behind and they keep the next one from starting.
        for stale in ("/var/run/docker.pid", "/run/docker/containerd/containerd.pid"):
            pid_file = Path(stale)
            if pid_file.exists() and not _alive(pid_file.read_text().strip()):
                pid_file.unlink()
        command = ["dockerd", "--host", "unix:///var/run/docker.sock"]
        if lacks_cap_sys_resource():
            command += ["--add-runtime", f"capped={_capped_runtime()}", "--default-runtime", "capped"]
        log = ROOT / "engine" / "dockerd.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as out:
            daemon = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if daemon.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                raise LabError(f"dockerd did not start; the end of {log}:\n{tail}")
            time.sleep(0.3)


def ensure_debootstrap(progress: Progress) -> None:
    if shutil.which("debootstrap") is None:
        _install(progress, "debootstrap")
