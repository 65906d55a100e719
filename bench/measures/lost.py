"""How many requests are lost during releases by the collection and by plain tasks of kubernetes.core.

Every scene is played under the same two loads: fortio through the gateway's loopback port, and fortio in a pod of the
mesh. A request is lost if its answer is not 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from bench import load
from bench.context import Bench
from bench.findings import Findings, Row
from bench.load import Both, Site, Under
from bench.playbooks import Task, named
from bench.scenes import INTERVAL, MOVE, PROMOTION, STEPS, Ours, Plain, Scene
from bench.service import HOST, MESH_HOST, NAMESPACE
from lab.progress import LabError

PLAIN = "bench-plain"
PLAIN_HOST = "pong.plain.test"

Side = Mapping[str, Both]


def measure(bench: Bench) -> Findings:
    """Run all scenes by both."""
    gateway = f"http://127.0.0.1:{bench.port}"
    us = Ours(bench.service)
    plain = Plain(
        {
            "plain_namespace": PLAIN,
            "plain_host": PLAIN_HOST,
            "plain_image": _image(bench),
            "plain_steps": STEPS,
            "plain_interval": INTERVAL,
        }
    )
    us.set_up()
    plain.set_up()
    with ExitStack() as stack:
        outside = stack.enter_context(load.outside())
        ours = Under(outside, stack.enter_context(load.inside(NAMESPACE)), Site(gateway, HOST, f"http://{MESH_HOST}"))
        mesh = f"http://pong-server-service.{PLAIN}.svc.cluster.local"
        theirs = Under(outside, stack.enter_context(load.inside(PLAIN)), Site(gateway, PLAIN_HOST, mesh))
        our_tasks: dict[str, list[Task]] = {}
        our_side = _played(bench, "progressive.istio", us.scenes(), ours, our_tasks)
        their_side = _played(bench, "kubernetes.core", plain.scenes(), theirs, {})
    return findings_of(our_side, their_side, _requests(our_tasks[PROMOTION]))


def findings_of(ours: Side, theirs: Side, requests: int) -> Findings:
    """The losses of each scene and of all. Pure."""
    rows = [
        Row(scene, _said(ours[scene]), _said(theirs[scene]), aim="0", reached=not ours[scene].lost) for scene in ours
    ]
    sent, lost = _sum(ours)
    sent_by_them, lost_by_them = _sum(theirs)
    return Findings(
        "Lost requests",
        (
            *rows,
            Row("all", f"{lost} of {sent}", f"{lost_by_them} of {sent_by_them}", aim="0", reached=not lost),
            Row(f"API requests of a canary in {len(STEPS)} steps", f"{requests}", aim="<= 35", reached=requests <= 35),
        ),
        {
            "lost_requests": lost,
            "requests_sent": sent,
            "kubernetes_core_lost_requests": lost_by_them,
            "kubernetes_core_requests_sent": sent_by_them,
            "api_requests_per_canary": requests,
            "scenes": {
                scene: {"ours": _counts(ours[scene]), "kubernetes_core": _counts(theirs[scene])} for scene in ours
            },
        },
    )


def _played(
    bench: Bench, by: str, scenes: Mapping[str, Scene], under: Under, tasks: dict[str, list[Task]]
) -> dict[str, Both]:
    """Run each scene under load; `tasks` receives those of each scene."""
    found = {}
    for name, scene in scenes.items():
        scene.prepare()
        with under.load():
            tasks[name] = scene.play()
        if under.answers is None:
            raise LabError(f"nothing is known of the requests during {name}")
        found[name] = under.answers
        bench.progress.say(f"      {by}: {name}: {_said(under.answers)}")
    return found


def _requests(tasks: list[Task]) -> int:
    return sum(int(task.result["api_requests"]) for task in named(tasks, MOVE))


def _image(bench: Bench) -> str:
    """Return the image that the service runs."""
    pod = bench.service.kube.get("deployment", "pong-server-v2")["spec"]["template"]
    return str(pod["spec"]["containers"][0]["image"])


def _sum(side: Side) -> tuple[int, int]:
    return sum(both.sent for both in side.values()), sum(both.lost for both in side.values())


def _said(both: Both) -> str:
    return f"{both.lost} of {both.sent}"


def _counts(both: Both) -> dict[str, dict[str, object]]:
    return {
        where: {
            "sent": answers.sent,
            "lost": answers.lost,
            "by_status": {str(status): count for status, count in sorted(answers.by_status.items())},
            "requests_per_second": round(answers.rate),
        }
        for where, answers in (("gateway", both.gateway), ("mesh", both.mesh))
    }
