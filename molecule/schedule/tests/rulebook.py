"""ansible-rulebook on docs/examples/rulebook.yml, waiting for Alertmanager."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path

RULEBOOK = Path(__file__).resolve().parents[3] / "docs" / "examples" / "rulebook.yml"
INVENTORY = Path(__file__).resolve().parent.parent / "inventory" / "hosts.yml"
TOKEN = "open-sesame"


class Rulebook:
    """Running from the start until it is stopped. log: what it says."""

    def __init__(self, home: Path) -> None:
        self.log = home / "rulebook.log"
        self._port = _free_port()
        assert shutil.which("ansible-rulebook"), "ansible-rulebook is missing: make examples installs it"
        environment = {"ALERT_HOST": "127.0.0.1", "ALERT_PORT": str(self._port), "ALERT_TOKEN": TOKEN}
        options = ["--rulebook", RULEBOOK, "--inventory", INVENTORY, "--env-vars", ",".join(environment)]
        self._process = subprocess.Popen(
            ["ansible-rulebook", *options],
            cwd=home,
            env={**os.environ, **environment},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def notify(self, *alerts: dict[str, str], status: str = "firing", token: str = TOKEN) -> int:
        """A notification as Alertmanager sends it, with these labels; the status of the answer."""
        begun = "2026-01-05T08:00:00Z"
        body = {
            "version": "4",
            "groupKey": '{}:{alertname="CanaryErrors"}',
            "status": status,
            "receiver": "canaries",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.com",
            "alerts": [
                {"status": status, "labels": labels, "annotations": {}, "startsAt": begun, "fingerprint": str(number)}
                for number, labels in enumerate(alerts)
            ],
        }
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection.request("POST", "/endpoint", json.dumps(body), headers)
        return connection.getresponse().status

    def listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(30)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
