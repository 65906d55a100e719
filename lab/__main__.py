"""`python3 -m lab up|down|status|images|env [--cluster demo|test|bench]`: the lab's commands."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import cluster as clusters
from lab import engine, images, limits, mesh, pins
from lab.cache import ROOT
from lab.cluster import Cluster
from lab.programs import ALL, FOR_TESTS, TOOLS, GoModule
from lab.progress import LabError, Progress, ask, duration, fail

PULL_SECONDS = 20
# Steps beside the building of programs: Docker and images. A cluster has one more, and four for what it carries.
IMAGE_STEPS = 2


def registries_answer() -> bool:
    """Tell whether this machine pulls images; LAB_IMAGES=pull|build decides without asking."""
    choice = os.environ.get("LAB_IMAGES", "auto")
    if choice in ("pull", "build"):
        return choice == "pull"
    if choice != "auto":
        raise LabError(f"LAB_IMAGES is '{choice}': choose auto, pull or build")
    if images.present(pins.KIND_NODE_IMAGE):
        return True
    return not images.present(images.node_image(for_tests=False)) and (
        ask(["timeout", str(PULL_SECONDS), "docker", "pull", "-q", pins.KIND_NODE_IMAGE]) is not None
    )


def build(progress: Progress, modules: tuple[GoModule, ...]) -> dict[GoModule, Path]:
    folders = {}
    for module in modules:
        if module.is_built:
            progress.done(module.title, "cached")
            folders[module] = module.build(progress)
        else:
            with progress.step(f"Build {module.title} from source"):
                folders[module] = module.build(progress)
    return folders


def link_programs(programs: images.Programs) -> Path:
    """Gather what a shell needs on its PATH in one folder, and return it."""
    target = ROOT / "bin"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("kind", "kubectl", "istioctl", "fortio", "helm"):
        if name not in programs:
            continue
        link = target / f".{name}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(programs[name])
        link.replace(target / name)
    return target


@contextmanager
def fetched(name: str, modules: tuple[GoModule, ...], with_images: bool) -> Iterator[None]:
    """Download what the builds need while they compile. What fails is tried again, and reported, where it is used."""

    def fetch(job: Callable[[Progress], object], log: str) -> None:
        with suppress(LabError):
            job(Progress(total=0, log=ROOT / "logs" / f"fetch-{name}-{log}.log"))

    with ThreadPoolExecutor() as pool:
        if with_images and not images.present(images.node_image(for_tests=False)):
            pool.submit(fetch, images.base, "base")
            pool.submit(fetch, images.envoy, "envoy")
        # The first is built at once.
        for module in modules[1:]:
            pool.submit(fetch, module.fetch, module.name)
        yield


def prepare(name: str, log: str, steps: int, for_tests: bool) -> tuple[Progress, Cluster]:
    """Build or find everything that a cluster is made of."""
    clusters.require_known(name)
    modules = (*ALL, *(FOR_TESTS if for_tests else ()))
    progress = Progress(steps + len(modules) + for_tests, ROOT / "logs" / f"{log}-{name}.log")
    engine.ensure(progress)
    limits.raise_limits(progress)
    pull = registries_answer()
    if pull:
        modules = (*TOOLS, *(FOR_TESTS if for_tests else ()))
        progress.total = steps + len(modules)
    with fetched(name, modules, with_images=not pull):
        folders = build(progress, modules)
    programs = images.programs_of(folders)
    if pull:
        with progress.step("Build the image of pong; the others are pulled"):
            images.build_pong(progress, programs)
    else:
        images.build_node_image(progress, programs, for_tests)
    image = pins.KIND_NODE_IMAGE if pull else images.node_image(for_tests)
    return progress, Cluster(name, link_programs(programs), image, own_images=not pull)


def up(name: str) -> None:
    bare = name in pins.WITHOUT_MESH
    progress, cluster = prepare(name, "up", IMAGE_STEPS + (1 if bare else 5), name in pins.FOR_TESTS)
    created = cluster.ensure(progress)
    if created and not cluster.own_images:
        progress.run(cluster.kind("load", "docker-image", pins.PONG_IMAGE))
    ingress = "no Istio" if bare else f"ingress http://{carry_mesh(cluster, progress)}/"
    spent = duration(time.monotonic() - progress.began)
    progress.say(f"Cluster {cluster.kind_name} is up after {spent}: {ingress}, kubeconfig {cluster.kubeconfig}")


def carry_mesh(cluster: Cluster, progress: Progress) -> str:
    """Give the cluster what it lacks of MetalLB, Istio and Istio's series, and return its ingress gateway's address."""
    address = carry_istio(cluster, progress)
    what = "Istio's standard series of requests"
    if mesh.counts_requests(cluster):
        progress.done(what, "counted")
    else:
        with progress.step(f"{what}, by upstream's Envoy"):
            mesh.count_requests(cluster, progress)
    return address


def carry_istio(cluster: Cluster, progress: Progress) -> str:
    address = mesh.ingress_address(cluster)
    if address and not cluster.unready():
        progress.done("MetalLB", "runs")
        progress.done("Istio", "runs")
        progress.done("Ingress address from MetalLB", address)
        return address
    with progress.step(f"MetalLB {pins.METALLB}"):
        mesh.start_metallb(cluster, progress)
    with progress.step(f"Istio {pins.ISTIO} by role progressive.istio.istio"):
        mesh.install_istio(cluster, cluster.bin, progress)
    with progress.step("Ingress address from MetalLB"):
        cluster.wait_ready(progress)
        mesh.give_addresses(cluster, progress)
        return mesh.wait_address(cluster)


def down(name: str) -> None:
    clusters.require_known(name)
    progress = Progress(total=1, log=ROOT / "logs" / f"down-{name}.log")
    if name not in clusters.existing():
        progress.done(f"Cluster canary-{name}", "is not there")
        return
    with progress.step(f"Delete cluster canary-{name}"):
        Cluster(name, ROOT / "bin", "", own_images=True).delete(progress)


def status(_name: str) -> None:
    print(f"cache    {ROOT}")
    if not engine.answers():
        print("docker   does not answer; 'make -C lab up' starts it")
        return
    print("docker   answers")
    for module in (*ALL, *FOR_TESTS):
        print(f"program  {module.title}: {'built' if module.is_built else 'to be built'}")
    for image in map(images.node_image, (False, True)):
        print(f"image    {image}: {'built' if images.present(image) else 'to be built'}")
    for name in clusters.existing():
        cluster = Cluster(name, ROOT / "bin", images.node_image(name in pins.FOR_TESTS), own_images=True)
        state = cluster.container_state()
        if state is None or state[0] != "running":
            print(f"cluster  {name}: {state[0] if state else 'gone'}; 'make -C lab up CLUSTER={name}' brings it back")
            continue
        wrong, address = cluster.unready(), mesh.ingress_address(cluster)
        health = f"not ready: {', '.join(wrong)}" if wrong else "healthy"
        ingress = (
            f"ingress http://{address}/ and http://127.0.0.1:{cluster.loopback_port()}/" if address else "no Istio"
        )
        print(f"cluster  {name}: {health}, {ingress}, {cluster.kubeconfig}")


def env(name: str) -> None:
    """Print the exports with which a shell works on a cluster by hand."""
    clusters.require_known(name)
    kubeconfig = Cluster(name, ROOT / "bin", "", own_images=True).kubeconfig
    for variable in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG"):
        print(f"export {variable}={shlex.quote(str(kubeconfig))}")
    print(f'export PATH={shlex.quote(str(ROOT / "bin"))}:"$PATH"')


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "images", "env"])
    parser.add_argument("--cluster", default="demo")
    arguments = parser.parse_args()
    commands = {
        "up": up,
        "down": down,
        "status": status,
        "images": lambda name: prepare(name, "images", IMAGE_STEPS, for_tests=True),
        "env": env,
    }
    try:
        commands[arguments.command](arguments.cluster)
    except LabError as error:
        fail(str(error))
        return 1
    except KeyboardInterrupt:
        fail("interrupted; what was complete is kept, so the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
