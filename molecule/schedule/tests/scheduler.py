"""The jobs of docs/examples/crontab, run as cron runs them: by its shell, with its environment and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from molecule_helpers import Run

HERE = Path(__file__).resolve().parent
CRONTAB = HERE.parents[2] / "docs" / "examples" / "crontab"
INVENTORY = HERE.parent / "inventory" / "hosts.yml"
SETTING = re.compile(r"([A-Z_0-9]+)=(.*)")
JOB = re.compile(r"(?:\S+\s+){5}(?P<user>\S+)\s+(?P<command>.*)")


@dataclass(frozen=True)
class Scheduler:
    """home: an empty folder, as a service account has it."""

    home: Path

    def start(self, service: str, *options: str) -> subprocess.Popen[str]:
        settings, command = _crontab()
        # The example's places are those of a server; here they are the test's.
        here = {name: os.environ[name] for name in settings.keys() & {"PATH", "ANSIBLE_COLLECTIONS_PATH"}}
        here["K8S_AUTH_KUBECONFIG"] = os.environ["KUBECONFIG"]
        command = command.replace("/etc/canaries/inventory.yml", str(INVENTORY)).replace(
            "--limit shop", f"--limit {service}"
        )
        return subprocess.Popen(
            [settings["SHELL"], "-c", " ".join([command, *options])],
            cwd=self.home,
            env={"HOME": str(self.home), "LOGNAME": "canaries", **settings, **here},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # no terminal
        )

    def run(self, service: str, *options: str) -> Run:
        return ended(self.start(service, *options))


def ended(process: subprocess.Popen[str]) -> Run:
    output, _ = process.communicate(timeout=180)
    return Run(process.returncode, output)


def _crontab() -> tuple[dict[str, str], str]:
    """The settings, and the command of the first job."""
    lines = [line for line in CRONTAB.read_text().splitlines() if line and not line.startswith("#")]
    settings = dict(found.groups() for line in lines if (found := SETTING.fullmatch(line)))
    jobs = [found["command"] for line in lines if not SETTING.fullmatch(line) and (found := JOB.fullmatch(line))]
    return settings, jobs[0]
