"""Each test begins with a service that the doctor finds nothing wrong with, a fifth of it on green."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patient import DOCTOR, NAMESPACE, READER, VIRTUAL_SERVICE, Patient


@pytest.fixture(scope="session")
def patient() -> Patient:
    patient = Patient()
    patient.admit()
    return patient


@pytest.fixture(autouse=True)
def healthy(patient: Patient) -> dict[str, Any]:
    if patient.weights != {"blue": 80, "green": 20} or patient.phase != "weighted":
        patient.canary("weighted", weight=20, adopt=True)
    return patient.well()


@pytest.fixture
def account(patient: Patient, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The options with which a module is the service account of the documentation."""
    listed = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "docs", "examples", "permissions.yml").read_text()
    for namespace in ("default", "istio-system"):
        listed = listed.replace(f"namespace: {namespace}", f"namespace: {NAMESPACE}")
    listed = listed.replace("progressive-istio-doctor", DOCTOR).replace("progressive-istio-reader", READER)
    listed = listed.replace("pong-server-virtual-service", VIRTUAL_SERVICE)
    patient.kube.run("apply", "-f", "-", stdin=listed)
    config = json.loads(patient.kube.run("config", "view", "--raw", "--minify", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = patient.kube.run("create", "token", "canary").strip()
    yield {"host": cluster["server"], "api_key": token, "ca_cert": str(authority)}
    patient.kube.run("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", READER, DOCTOR)
