"""Every version the lab is made of, except the Go programs, which `go/*/go.mod` pin."""

from __future__ import annotations

KUBERNETES = "1.34.4"
ISTIO = "1.31.0"
ENVOY = "1.40.0"
METALLB = "v0.15.2"
DEBIAN = "bookworm"

# The image references that `kubeadm config images list` prints for this version of Kubernetes.
# What the lab builds under them exists on this machine only and is never pushed.
KUBE_REGISTRY = "registry.k8s.io"
ETCD_TAG = "3.6.5-0"
COREDNS_TAG = "v1.12.1"
PAUSE_TAG = "3.10.1"

# The tutorial's server. The lab always runs its own build of it, for the knobs that tests need.
PONG_IMAGE = "ghcr.io/s1ntaxe770r/pong:e0fb83f27536836d1420cffd0724360a7a650c13"

# Where images can be pulled, these take the place of the lab's own.
KIND_NODE_IMAGE = "kindest/node:v1.34.0"
ISTIO_HUB = "docker.io/istio"
LAB_ISTIO_HUB = "localhost/istio"

# Each cluster has a share of kind's docker network for its LoadBalancer addresses.
CLUSTER_SLOTS = {"demo": 0, "test": 1, "bench": 2, "bare": 3}

# Clusters without MetalLB and Istio: what a user meets who has not installed them.
WITHOUT_MESH = {"bare"}

# Clusters with what tests and benches use as well: Helm, fortio and Prometheus.
FOR_TESTS = {"test", "bench"}
