"""The Prometheus that the role has installed."""

from __future__ import annotations

import re

import pytest
from ingress import ingress as gateway
from molecule_helpers import Kube
from pong import API, Pong

PONG = Pong("observability", "observability.test", {"v1": {}, "v2": {"PONG_SLOW_RATE": "0.05", "PONG_SLOW_MS": "1500"}})


@pytest.fixture(scope="session", autouse=True)
def services() -> None:
    """The service, a caller inside the mesh, and in its own gateway a host whose route names a missing subset."""
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["missing.test"]}
    route = [{"destination": {"host": PONG.host, "subset": "missing"}}]
    lab = any(each["metadata"]["name"] == "request-stats" for each in Kube("istio-system").list("envoyfilter"))
    image = "localhost/fortio:lab" if lab else "docker.io/fortio/fortio:latest_release"
    container = {"name": "caller", "image": image, "imagePullPolicy": "IfNotPresent", "args": ["server"]}
    labels = {"app": "caller"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    specs = {
        (API, "Gateway", "missing"): {"selector": {"istio": "observability-ingress"}, "servers": [server]},
        (API, "VirtualService", "missing"): {
            "hosts": ["missing.test"],
            "gateways": ["missing"],
            "http": [{"route": route}],
        },
        ("apps/v1", "Deployment", "caller"): {"selector": {"matchLabels": labels}, "template": template},
    }
    others = [
        {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": PONG.namespace}, "spec": spec}
        for (api, kind, name), spec in specs.items()
    ]
    service, deployment = gateway(PONG.namespace, "observability-ingress")
    deployment["spec"]["template"]["metadata"]["labels"] |= {"security.istio.io/tlsMode": "istio"}  # what is scraped
    PONG.kube.set_up([*PONG.objects(), service, deployment, *others])


@pytest.fixture(scope="module")
def found(play):
    """How a run without a word about installing finds what is there."""
    return play("observability", observability_namespace="observability-prometheus").succeeded()


@pytest.fixture(scope="module")
def url(found) -> str:
    return re.search(r"Prometheus answers at (http://[\d.]+:\d+)", found.output).group(1)
