"""A gateway of a scenario's own, with two replicas."""

from __future__ import annotations

from typing import Any


def ingress(namespace: str, name: str) -> list[dict[str, Any]]:
    """Its Service and its Deployment, both with this name; its pods bear it as label `istio`."""
    metadata, labels = {"name": name, "namespace": namespace}, {"istio": name}
    ports = [{"name": "http2", "port": 80, "targetPort": 8080}]
    requests = {"cpu": "10m", "memory": "40Mi"}
    container = {
        "name": "istio-proxy",
        "image": "auto",
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": requests},
    }
    template = {
        "metadata": {
            "labels": {**labels, "sidecar.istio.io/inject": "true"},
            "annotations": {"inject.istio.io/templates": "gateway"},
        },
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    service = {"type": "LoadBalancer", "selector": labels, "ports": ports}
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment},
    ]
