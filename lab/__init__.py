"""The lab: a kind cluster with real Istio, also on a machine that no image registry answers."""
