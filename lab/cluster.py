"""One kind cluster: created, found, repaired or recreated, and deleted."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from lab import pins
from lab.cache import ROOT
from lab.progress import LabError, Progress, ask

# A busy machine takes its time; each of these is over as soon as the cluster answers.
ANSWER_SECONDS = 60
RESTART_SECONDS = 240
READY_SECONDS = 600
NODE_PORT = 30080


@dataclass(frozen=True)
class Cluster:
    """A kind cluster by its short name, the programs that drive it and the node image it runs."""

    name: str
    bin: Path
    image: str
    own_images: bool

    @property
    def kind_name(self) -> str:
        return f"canary-{self.name}"

    @property
    def container(self) -> str:
        return f"{self.kind_name}-control-plane"

    @property
    def kubeconfig(self) -> Path:
        return ROOT / "clusters" / self.name / "kubeconfig"

    @property
    def env(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *words: str) -> list[str | Path]:
        return [self.bin / "kubectl", "--kubeconfig", self.kubeconfig, "--request-timeout=30s", *words]

    def kind(self, *words: str) -> list[str | Path]:
        return [self.bin / "kind", *words, "--name", self.kind_name]

    def container_state(self) -> tuple[str, str] | None:
        """Return (running|exited|..., image reference), or None when there is no such cluster."""
        answer = ask(["docker", "inspect", "--format", "{{.State.Status}} {{.Config.Image}}", self.container])
        return None if answer is None else tuple(answer.split())  # type: ignore[return-value]

    def api_answers(self) -> bool:
        return self.kubeconfig.exists() and ask(self.kubectl("get", "--raw", "/readyz")) == "ok"

    def _answers_in_time(self) -> bool:
        """Tell whether the API server answers, be it late: a cluster that runs must not be made anew for that."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.api_answers():
            if time.monotonic() > deadline:
                return False
            time.sleep(1)
        return True

    def unready(self) -> list[str]:
        """Return what keeps the cluster from being whole, as `namespace/pod` or `node NAME`; empty means healthy."""
        answer = ask(self.kubectl("get", "nodes,pods", "-A", "-o", "json"))
        if answer is None:
            return ["API server"]
        wrong = []
        for item in json.loads(answer)["items"]:
            conditions = {c["type"]: c["status"] for c in item["status"].get("conditions", [])}
            metadata = item["metadata"]
            system = metadata.get("namespace", "").endswith("-system")
            if conditions.get("Ready") != "True" and (item["kind"] == "Node" or system):
                wrong.append(f"{metadata.get('namespace', 'node')}/{metadata['name']}")
        return wrong

    def _config(self) -> str:
        node: dict[str, object] = {
            "role": "control-plane",
            # Load and benches go to loopback; kind chooses a free port of this machine.
            "extraPortMappings": [{"containerPort": NODE_PORT, "hostPort": 0, "listenAddress": "127.0.0.1"}],
        }
        config: dict[str, object] = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
        if self.own_images:
            config["networking"] = {"disableDefaultCNI": True, "podSubnet": "10.244.0.0/24"}
            node["kubeadmConfigPatches"] = [
                f"kind: ClusterConfiguration\ndns:\n  imageTag: {pins.COREDNS_TAG}\n",
                "kind: KubeletConfiguration\nfailCgroupV1: false\n",
            ]
        return json.dumps(config)

    def delete(self, progress: Progress) -> None:
        progress.run(self.kind("delete", "cluster", "--kubeconfig", str(self.kubeconfig)))
        self.kubeconfig.unlink(missing_ok=True)

    def create(self, progress: Progress) -> None:
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        progress.run(
            self.kind(
                "create",
                "cluster",
                *("--image", self.image, "--kubeconfig", str(self.kubeconfig), "--wait", "120s", "--config", "-"),
            ),
            stdin=self._config(),
        )

    def _started(self, progress: Progress) -> bool:
        """Start the stopped node and tell whether the cluster came back whole."""
        progress.run(["docker", "start", self.container])
        deadline = time.monotonic() + RESTART_SECONDS
        while time.monotonic() < deadline:
            if self.api_answers() and not self.unready():
                return True
            time.sleep(2)
        return False

    def ensure(self, progress: Progress) -> bool:
        """Bring the cluster up and return whether it had to be created."""
        what = f"Cluster {self.kind_name}"
        state = self.container_state()
        if state == ("running", self.image) and self._answers_in_time():
            progress.done(what, "runs")
            return False
        if state is None:
            with progress.step(f"{what}: create"):
                self.create(progress)
            return True
        status, image = state
        if image != self.image:
            with progress.step(f"{what}: made from other images, create anew"):
                self.recreate(progress)
            return True
        with progress.step(f"{what}: {status}, repair"):
            repaired = status == "exited" and self._started(progress)
            if not repaired:
                progress.say("      cannot be repaired: delete and create anew")
                self.recreate(progress)
        return not repaired

    def recreate(self, progress: Progress) -> None:
        self.delete(progress)
        self.create(progress)

    def wait_ready(self, progress: Progress, seconds: float = READY_SECONDS) -> None:
        """Wait until every node and system pod is Ready. Raises LabError that names what is not."""
        deadline = time.monotonic() + seconds
        while wrong := self.unready():
            if time.monotonic() > deadline:
                raise LabError(
                    f"cluster {self.kind_name} is not ready after {seconds:.0f} s: {', '.join(wrong)}; look with "
                    f"'kubectl --kubeconfig {self.kubeconfig} describe pod -n NAMESPACE NAME', or 'make -C lab down up'"
                )
            time.sleep(1)

    def loopback_port(self) -> int | None:
        """Return the port of 127.0.0.1 that leads to the ingress gateway's NodePort."""
        answer = ask(["docker", "port", self.container, f"{NODE_PORT}/tcp"])
        return int(answer.splitlines()[0].rpartition(":")[2]) if answer else None


def existing() -> list[str]:
    """Return the short names of the lab's clusters that Docker knows."""
    answer = ask(["docker", "ps", "-a", "--format", "{{.Names}}"])
    if answer is None:
        raise LabError("no Docker answers, so it is not known which clusters there are: 'make -C lab up' starts it")
    return [name for name in pins.CLUSTER_SLOTS if f"canary-{name}-control-plane" in answer.split()]


def require_known(name: str) -> None:
    if name not in pins.CLUSTER_SLOTS:
        raise LabError(f"there is no cluster '{name}' in the lab: choose CLUSTER={'|'.join(pins.CLUSTER_SLOTS)}")
