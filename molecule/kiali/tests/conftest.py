"""What the scenario has installed, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def installed(kube):
    """The variables with which the scenario has installed Prometheus and Kiali."""

    def image(deployment):
        return kube("kiali").get("deployment", deployment)["spec"]["template"]["spec"]["containers"][0]["image"]

    return {
        "canary_namespace": "kiali",
        "observability_install": True,
        "observability_namespace": "kiali",
        "observability_expose": "node_port",
        "observability_scrape_interval": 2,
        "observability_prometheus_chart": str(HERE.parents[1] / "lab" / "charts" / "prometheus"),
        "observability_prometheus_values": {"image": image("prometheus")},
        "observability_kiali_chart": str(HERE / "files" / "charts" / "kiali-server"),
        "observability_kiali_values": {"image": image("kiali")},
    }
