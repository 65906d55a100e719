"""The Go programs of the lab, built from the modules that `go/*/go.mod` pin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import pins
from lab.cache import LAB, ROOT, built, key_of
from lab.progress import Progress


def _stamps(package: str, values: Mapping[str, str]) -> str:
    return " ".join(f"-X {package}.{name}={value}" for name, value in values.items())


def _kubernetes_stamps() -> str:
    # kubeadm and the kubelet refuse to work together without a version, and client-go carries its own copy.
    major, minor, _patch = pins.KUBERNETES.split(".")
    values = {
        "gitVersion": f"v{pins.KUBERNETES}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "lab",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    return " ".join(
        _stamps(package, values) for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )


def _istio_stamps() -> str:
    values = {"buildVersion": pins.ISTIO, "buildTag": pins.ISTIO, "buildHub": pins.ISTIO_HUB, "buildStatus": "Clean"}
    return _stamps("istio.io/istio/pkg/version", values)


@dataclass(frozen=True)
class GoModule:
    """Programs built together from one Go module below `go/`: packages, and the name each is wanted under."""

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    stamps: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def source(self) -> Path:
        return LAB / "go" / self.module

    @property
    def key(self) -> str:
        return key_of([self.source, *self.packages, self.stamps])

    @property
    def is_built(self) -> bool:
        return (ROOT / "programs" / self.name / self.key).exists()

    def folder_of(self, progress: Progress, module: str) -> Path:
        """Return where Go keeps the source of a module that this one requires."""
        progress.run(["go", "mod", "download", module], cwd=self.source)
        return Path(progress.run(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=self.source).strip())

    def fetch(self, progress: Progress) -> None:
        """Download the source that a build needs, which asks for no processor."""
        if not self.is_built:
            progress.run(["go", "list", "-deps", *self.packages], cwd=self.source, env={"CGO_ENABLED": "0"})

    def build(self, progress: Progress) -> Path:
        """Return the folder with the programs, built unless this very build is in the cache."""

        def make(folder: Path) -> None:
            # What `-s` strips in the end need not be compiled, and a compiler that collects less often takes less time.
            flags = ["-v", "-buildvcs=false", "-trimpath", "-gcflags=all=-dwarf=false"]
            flags += ["-ldflags", f"-s -w {self.stamps}", "-o", f"{folder}/"]
            progress.run(
                ["go", "build", *flags, *self.packages],
                cwd=self.source,
                env={"CGO_ENABLED": "0", "GOFLAGS": "", "GOGC": "400"},
            )
            for old, new in self.rename.items():
                (folder / old).rename(folder / new)

        return built(f"programs/{self.name}", self.key, make)


def _kubernetes(*names: str) -> tuple[str, ...]:
    return tuple(f"k8s.io/kubernetes/cmd/{name}" for name in names)


KUBE_TOOLS = GoModule(
    "kube-tools", "kind and kubectl", "kubernetes", (*_kubernetes("kubectl"), "sigs.k8s.io/kind"), _kubernetes_stamps()
)
KUBE_NODE = GoModule(
    "kube-node",
    f"Kubernetes {pins.KUBERNETES}, etcd and CoreDNS",
    "kubernetes",
    (
        *_kubernetes("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubelet"),
        "go.etcd.io/etcd/server/v3",
        "./coredns",
    ),
    _kubernetes_stamps(),
    {"server": "etcd"},
)
ISTIO_TOOLS = GoModule("istio-tools", "istioctl", "istio", ("istio.io/istio/istioctl/cmd/istioctl",), _istio_stamps())
ISTIO_MESH = GoModule(
    "istio-mesh",
    f"Istio {pins.ISTIO}",
    "istio",
    ("istio.io/istio/pilot/cmd/pilot-agent", "istio.io/istio/pilot/cmd/pilot-discovery"),
    _istio_stamps(),
)
METALLB = GoModule(
    "metallb",
    f"MetalLB {pins.METALLB}",
    "metallb",
    ("go.universe.tf/metallb/controller", "go.universe.tf/metallb/speaker"),
)
FORTIO = GoModule("fortio", "fortio", "fortio", ("fortio.org/fortio",))
PONG = GoModule("pong", "pong", "pong", (".",))
PAUSE = GoModule("pause", "pause", "pause", (".",))

HELM = GoModule("helm", "Helm", "helm", ("helm.sh/helm/v3/cmd/helm",))

TOOLS = (KUBE_TOOLS, ISTIO_TOOLS, PONG)
IN_IMAGES = (KUBE_NODE, ISTIO_MESH, METALLB, PAUSE)
# What a cluster is made of, and what only tests and benches use.
ALL = TOOLS + IN_IMAGES
FOR_TESTS = (HELM, FORTIO)
