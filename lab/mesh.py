"""What every cluster of the lab carries: MetalLB with addresses, Istio by the collection's own role, Istio's series."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from pathlib import Path

from lab import pins
from lab.cache import LAB, key_of
from lab.cluster import NODE_PORT, Cluster
from lab.programs import METALLB
from lab.progress import LabError, Progress, ask

ADDRESSES_PER_CLUSTER = 10
ADDRESS_SECONDS = 240

# What upstream's Envoy needs to count requests as Istio's does. An annotation says which state of the file was applied.
REQUEST_STATS = LAB / "request-stats.yml"
REQUEST_STATS_OBJECT = ("envoyfilters.networking.istio.io/request-stats", "-n", "istio-system")
REQUEST_STATS_NOTE = "lab-key"

# Upstream Envoy carries none of Istio's own filters, so istiod must not send them (see lab/README.md).
UPSTREAM_ENVOY_VALUES = {
    "telemetry": {"enabled": False},
    "pilot": {"env": {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}},
}
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}}


def istio_values(own_images: bool) -> dict[str, object]:
    """Return the IstioOperator spec of the lab: as users have it, but small and with a fixed NodePort."""
    values: dict[str, object] = {"global": {"proxy": {"resources": SMALL}}}
    if own_images:
        values |= UPSTREAM_ENVOY_VALUES
    ports = [
        {"name": "status-port", "port": 15021, "targetPort": 15021},
        {"name": "http2", "port": 80, "targetPort": 8080, "nodePort": NODE_PORT},
        {"name": "https", "port": 443, "targetPort": 8443},
    ]
    gateway = {
        "name": "istio-ingressgateway",
        "enabled": True,
        "k8s": {"resources": SMALL, "service": {"ports": ports}},
    }
    return {
        "profile": "default",
        "hub": pins.LAB_ISTIO_HUB if own_images else pins.ISTIO_HUB,
        "tag": pins.ISTIO,
        "components": {"pilot": {"k8s": {"resources": SMALL}}, "ingressGateways": [gateway]},
        "values": values,
    }


def _address_pool(cluster: Cluster) -> str:
    """Return the objects that give this cluster its share of kind's docker network."""
    answer = ask(["docker", "network", "inspect", "kind"])
    subnets = [config["Subnet"] for config in json.loads(answer or "[{}]")[0].get("IPAM", {}).get("Config", [])]
    network = next((net for net in map(ipaddress.ip_network, subnets) if net.version == 4), None)
    if network is None:
        raise LabError(
            "the docker network 'kind' has no IPv4 subnet, so MetalLB gets no addresses: 'docker network inspect kind'"
        )
    # From the far end: Docker hands out addresses from the near one.
    last = network.broadcast_address - 1 - pins.CLUSTER_SLOTS[cluster.name] * ADDRESSES_PER_CLUSTER
    metadata = {"name": "lab", "namespace": "metallb-system"}
    objects = [
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": metadata,
            "spec": {"addresses": [f"{last - ADDRESSES_PER_CLUSTER + 1}-{last}"]},
        },
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata, "spec": {}},
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def start_metallb(cluster: Cluster, progress: Progress) -> None:
    """Create MetalLB's objects; its pods get ready while Istio is installed."""
    manifest = METALLB.folder_of(progress, "go.universe.tf/metallb") / "config/manifests/metallb-native.yaml"
    progress.run(cluster.kubectl("apply", "-f", str(manifest)))


def give_addresses(cluster: Cluster, progress: Progress) -> None:
    """Give MetalLB its pool of addresses."""
    pool, deadline = _address_pool(cluster), time.monotonic() + ADDRESS_SECONDS
    # MetalLB's webhook answers a little after its pod is Ready.
    while ask(cluster.kubectl("apply", "-f", "-"), stdin=pool) is None:
        if time.monotonic() > deadline:
            progress.run(cluster.kubectl("apply", "-f", "-"), stdin=pool)
        time.sleep(1)


def install_istio(cluster: Cluster, programs: Path, progress: Progress) -> None:
    progress.run(
        [
            os.environ.get("LAB_ANSIBLE_PLAYBOOK", "ansible-playbook"),
            LAB / "istio.yml",
            "-e",
            json.dumps({"istio_istioctl": str(programs / "istioctl"), "istio_spec": istio_values(cluster.own_images)}),
        ],
        env={**cluster.env, "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig), "ANSIBLE_NOCOLOR": "1"},
    )


def counts_requests(cluster: Cluster) -> bool:
    """Tell whether the proxies give Istio's standard series: Istio's own Envoy does, upstream's by an EnvoyFilter."""
    if not cluster.own_images:
        return True
    path = f"{{.metadata.annotations.{REQUEST_STATS_NOTE}}}"
    noted = ask(cluster.kubectl("get", *REQUEST_STATS_OBJECT, "-o", f"jsonpath={path}"))
    return noted == key_of([REQUEST_STATS])


def count_requests(cluster: Cluster, progress: Progress) -> None:
    progress.run(cluster.kubectl("apply", "-f", str(REQUEST_STATS)))
    note = f"{REQUEST_STATS_NOTE}={key_of([REQUEST_STATS])}"
    progress.run(cluster.kubectl("annotate", "--overwrite", *REQUEST_STATS_OBJECT, note))


def ingress_address(cluster: Cluster) -> str | None:
    """Return the LoadBalancer address of the ingress gateway, if it has one."""
    path = "{.status.loadBalancer.ingress[0].ip}"
    answer = ask(cluster.kubectl("get", "svc", "istio-ingressgateway", "-n", "istio-system", "-o", f"jsonpath={path}"))
    return answer or None


def wait_address(cluster: Cluster) -> str:
    deadline = time.monotonic() + ADDRESS_SECONDS
    while not (address := ingress_address(cluster)):
        if time.monotonic() > deadline:
            raise LabError(
                f"Service istio-system/istio-ingressgateway has no address after {ADDRESS_SECONDS} s: "
                f"'kubectl --kubeconfig {cluster.kubeconfig} -n metallb-system logs deploy/controller'"
            )
        time.sleep(0.5)
    return address
