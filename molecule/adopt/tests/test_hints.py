"""Each kind of command that a playbook prints is pasted into a shell, on services that are not the tutorial's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from adopted import ANNOTATION, KUBE, NAMESPACE, SERVICES, lines, moved, objects, set_up
from ansible_collections.progressive.istio.plugins.module_utils._release.annotation import encode
from ansible_collections.progressive.istio.plugins.module_utils._release.model import LEASE
from ansible_collections.progressive.istio.plugins.module_utils._release.plan import Step
from ansible_collections.progressive.istio.plugins.module_utils._release.state import (
    HistoryEntry,
    LeaseHolder,
    Phase,
    State,
    Verdict,
)
from molecule_helpers import Run, paste

NOW = datetime.now(UTC)
STEPS = (Step(20), Step(50), Step(100))
BY = {service.name: service for service in SERVICES}
SHARED = State("blue", "green", Phase.PROGRESSING, 20, NOW, STEPS)
AT_0, AT_20 = {"blue": 100, "green": 0}, {"blue": 80, "green": 20}


@dataclass(frozen=True)
class Case:
    """A release that has stopped. state: its annotation. before, after: the weights until its hint was followed.

    said: what the hint says of the command. settings: of the host.
    """

    service: str
    state: State | str
    before: Mapping[str, int]
    said: str
    after: Sequence[int]
    settings: Mapping[str, Any] = field(default_factory=dict)


def past(canary: str, event: str, weight: int) -> HistoryEntry:
    return HistoryEntry(NOW, event, canary, weight, "by the test", "somebody")


STOPPED = {
    "paused": Case(
        "labelled",
        State("old", "new", Phase.PAUSED, 20, NOW, (Step(20, pause=True), *STEPS[1:])),
        {"old": 80, "new": 20},
        "continue",
        (50, 50),
    ),
    "held": Case("named", replace(SHARED, phase=Phase.HELD), AT_20, "or continue anyway", (50, 50)),
    "superseding": Case(
        "unnamed",
        replace(SHARED, canary="red", phase=Phase.HELD, weight=0),
        AT_0,
        "release green in its place",
        (80, 20),
        {"canary_version": "green"},
    ),
    "left before": Case(
        "several",
        State(
            *("red", "blue", Phase.PROMOTED, 100, NOW, STEPS),
            history=(past("green", "rolled_back", 0), past("blue", "promoted", 100)),
        ),
        AT_0,
        "start it again",
        (80, 20),
    ),
    "unreadable": Case("inside", "{", AT_20, "continue from the present weights", (50, 50)),
    "drifted": Case("both", SHARED, {"blue": 40, "green": 60}, "continue from there", (0, 100)),
    "no release": Case(
        "short",
        replace(SHARED, canary="red"),
        {"blue": 60, "green": 20, "red": 20},
        "or roll back",
        (100, 0, 0),
        {"canary_stable_version": "blue", "canary_version": "green", "canary_adopt": True},
    ),
    "held by another": Case("elsewhere", SHARED, AT_20, "or roll back at once", (100, 0)),
}
FAILED = Case(
    "headless",
    replace(SHARED, phase=Phase.ROLLED_BACK, weight=0, verdict=Verdict("fail", "by the test", NOW)),
    AT_0,
    "give it 30 % anyway",
    (70, 30),
)
NEXT = Case("port-name", "", AT_0, "", (100,))
CASES = (*STOPPED.values(), FAILED, NEXT)
PACE = {"canary_steps": [20, 50, 100], "canary_interval": 0, "canary_watch": 0, "canary_cleanup_after": 0}
VARIABLES = {**PACE, "canary_proof_timeout": 120, "canary_version_path": "/version"}


def leased(case: Case) -> State | str:
    """Its state; where another run holds it, from now on."""
    if case is not STOPPED["held by another"] or isinstance(case.state, str):
        return case.state
    now = datetime.now(UTC)
    return replace(case.state, run="other", holder=LeaseHolder("jenkins", "far-away", 1, now, now + LEASE))


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The services as they are found, and a written inventory, in a folder with a blank in its name."""
    folder = tmp_path_factory.mktemp("my estate")
    found = {"plugin": "progressive.istio.canaries", "namespaces": [NAMESPACE]}
    (folder / "canaries.istio.yml").write_text(json.dumps(found))
    hosts = {f"{case.service}.{NAMESPACE}": case.settings for case in CASES if case.settings}
    (folder / "more.yml").write_text(json.dumps({"canaries": {"hosts": hosts, "vars": VARIABLES}}))
    return ("-i", str(folder / "canaries.istio.yml"), "-i", str(folder / "more.yml"), "--forks", "10")


@pytest.fixture(scope="module")
def foreign() -> dict[str, Any]:
    """What the services consist of, beside their routes."""
    set_up()
    third = {"name": "red", "labels": {"track": "blue"}}
    KUBE.run(
        *("patch", "destinationrule", "short", "--type=json", "-p"),
        json.dumps([{"op": "add", "path": "/spec/subsets/-", "value": third}]),
    )
    return beside_routes()


def beside_routes() -> dict[str, Any]:
    return {name: found for name, found in objects().items() if not name.startswith("VirtualService")}


@pytest.fixture(scope="module")
def outputs(play: Callable[..., Run], options: Sequence[str], foreign: object) -> dict[str, str]:
    """What is printed where each of them has stopped, and by a move."""
    written = []
    for case in CASES:
        state = leased(case)
        text = encode(state) if isinstance(state, State) else state
        written.append(BY[case.service].virtual_service(case.before, **({ANNOTATION: text} if text else {})))
    KUBE.run("replace", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": written}))
    others = f"!{FAILED.service}.{NAMESPACE}:!{NEXT.service}.{NAMESPACE}"
    asked = {
        "advance": ("advance", *options, "--limit", f"canaries:{others}"),
        "failed": ("canary", *options, "--limit", f"{FAILED.service}.{NAMESPACE}", "-e", "weight=30"),
        "next": ("canary", *options, "--limit", f"{NEXT.service}.{NAMESPACE}", "-e", "weight=20"),
    }
    with ThreadPoolExecutor() as pool:
        runs = dict(zip(asked, pool.map(lambda words: play(*words), asked.values()), strict=True))
    assert [run.code for run in runs.values()] == [2, 2, 0], runs
    assert weights(NEXT) == [80, 20]
    return {name: run.output for name, run in runs.items()}


def weights(case: Case) -> list[int]:
    service = BY[case.service]
    route = moved(service, KUBE.get("virtualservice", service.routes))
    return [entry.get("weight", 100 if len(route) == 1 else 0) for entry in route]


def hint(case: Case, output: str) -> str:
    """The command at the end of the line below the service in the table."""
    host = re.escape(f"{case.service}.{NAMESPACE}")
    lines = re.search(rf"^{host} .*\n(?:  .*\n)*?  .*{case.said}: (ansible-playbook .*)$", output, re.MULTILINE)
    assert lines, f"{case}\n{output}"
    return lines[1]


def line(title: str, output: str) -> str:
    """One of the commands that come next."""
    (command,) = re.findall(rf"^{title}: +(.*)$", output, re.MULTILINE)
    return command


def pasted(commands: Iterable[str]) -> list[str]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(paste, commands))


def test_the_hint_of_each_stop(outputs: dict[str, str]) -> None:
    cases = [*STOPPED.values(), FAILED]
    *others, last = pasted(hint(case, outputs["failed" if case is FAILED else "advance"]) for case in cases)
    assert max(len(lines(output)) for output in others) <= 25, "a screen"
    assert {case.said: weights(case) for case in cases} == {case.said: list(case.after) for case in cases}
    paste(line("Roll back", last))
    assert weights(FAILED) == [100, 0]


def test_the_commands_that_come_next(outputs: dict[str, str]) -> None:
    shown = outputs["next"]
    assert paste(line("Send a request", shown)).strip() in AT_20
    assert re.search(r"blue +80 %", paste(line("Show the state", shown)))
    finished = paste(line("Take all steps", shown))
    assert weights(NEXT) == [0, 100]
    paste(line("Remove blue", finished))
    assert weights(NEXT) == [100]


def test_nothing_but_routes_was_changed(outputs: object, foreign: dict[str, Any]) -> None:
    assert beside_routes() == foreign
