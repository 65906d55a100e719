"""Every playbook that moves, on ten services at once: no request is lost, and nothing but weights changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from adopted import ANNOTATION, NAMESPACE, RATE, SERVICES, Callers, Object, lines, moved, objects, set_up
from load import Load
from molecule_helpers import Run

Playbook = Callable[..., Run]

LINES = 25 + 3 * len(SERVICES)
LONG = ("doctor", "page", "cleanup")  # they print what they find, write or leave of each service


@pytest.fixture(scope="module")
def inventory(eventually: Callable[..., None], answers: Callable[..., Any], tmp_path_factory: Any) -> Path:
    """The ten, found in the cluster: no setting is given for any of them."""
    set_up()
    for one in SERVICES:
        if one.is_outside:
            eventually(lambda host=one.public: set(answers(host=host)) == {"blue"})
    file = tmp_path_factory.mktemp("adopt") / "canaries.istio.yml"
    file.write_text(json.dumps({"plugin": "progressive.istio.canaries", "namespaces": [NAMESPACE]}))
    return file


@pytest.fixture(scope="module")
def before(inventory: Path) -> dict[str, Object]:
    return objects()


@pytest.fixture(scope="module")
def load(before: object, ingress: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Requests to all of them, on the way that each is routed; by service."""
    folder = tmp_path_factory.mktemp("load")
    with ThreadPoolExecutor() as pool:
        running: dict[str, Any] = {}
        for one in SERVICES:
            if one.is_outside:
                url = f"http://{ingress}/version"
                running[one.name] = Load(url, one.public, RATE, folder / f"{one.name}.json")
            if one.is_inside:
                running[f"{one.name} inside"] = Callers(pool, f"http://{one.full_host}:8088/version")
        yield running
        for each in running.values():
            each.stop()


@pytest.fixture(scope="module")
def run(play: Playbook, inventory: Path, load: object) -> Playbook:
    """One playbook over all ten, which ends well for each, however busy the machine is, and prints few lines."""

    def played(name: str, *options: str, **variables: Any) -> Run:
        options = ("-i", str(inventory), "--forks", "10", *options)
        done = play(name, *options, canary_proof_timeout=120, **variables).succeeded()
        assert name in LONG or len(lines(done.output)) <= LINES, done.output
        return done

    return played


def assert_kept(before: dict[str, Object], weights: tuple[int, ...]) -> None:
    """Every byte is as it was, but these weights and the annotation; one weight: the stable version is taken out."""
    expected, now = deepcopy(before), objects()
    for one in SERVICES:
        place = f"VirtualService {NAMESPACE}/{one.routes}"
        entries = moved(one, expected[place])
        del entries[: 2 - len(weights)]
        for entry, weight in zip(entries, weights, strict=True):
            entry["weight"] = weight
        annotations = now[place]["metadata"].get("annotations", {})
        annotations.pop(ANNOTATION, None)
        expected[place]["metadata"].setdefault("annotations", {})
    assert list(now) == list(expected)
    for name in expected:
        assert json.dumps(now[name]) == json.dumps(expected[name]), name


def test_the_doctor_finds_nothing_wrong(run: Playbook, before: dict[str, Object]) -> None:
    run("doctor")
    assert objects() == before


def test_check_mode_says_what_it_would_do(run: Playbook, before: dict[str, Object]) -> None:
    checked = run("canary", "--check", weight=20)
    assert checked.changed == 10
    assert checked.output.count("would be weighted") == 10, checked.output
    assert objects() == before


def test_a_share(run: Playbook, before: dict[str, Object]) -> None:
    assert run("canary", weight=20).changed == 10
    assert_kept(before, (80, 20))


def test_hold_and_advance(run: Playbook, before: dict[str, Object]) -> None:
    assert run("hold").changed == 10
    assert_kept(before, (80, 20))
    assert run("advance", canary_confirm=True, canary_interval=0).changed == 10
    assert_kept(before, (50, 50))


def test_rollback(run: Playbook, before: dict[str, Object]) -> None:
    assert run("rollback").changed == 10
    assert_kept(before, (100, 0))


def test_all_steps(run: Playbook, before: dict[str, Object]) -> None:
    assert run("canary", canary_confirm=True, canary_steps=[50, 100], canary_interval=0).changed == 10
    assert_kept(before, (0, 100))


def test_a_run_with_nothing_to_do_is_nearly_silent(run: Playbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "progressive.istio.brief")
    idle = run("advance", "--limit", f"named.{NAMESPACE}", canary_steps=[50, 100])
    assert len(lines(idle.output)) <= 8, idle.output
    assert "there is nothing to do" in idle.output


def test_what_only_reads(run: Playbook, before: dict[str, Object], tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        status, page = pool.submit(run, "status"), pool.submit(run, "page", canary_page=str(tmp_path))
    page.result()
    assert len(list(tmp_path.glob("*.html"))) == 10
    for one in SERVICES:
        stable, canary = one.versions
        row = rf"^{one.name}.adopt +{stable} 0 %, {canary} 100 % .* promoted"
        assert re.search(row, status.result().output, re.MULTILINE), status.result().output
    assert_kept(before, (0, 100))


def test_cleanup(run: Playbook, before: dict[str, Object]) -> None:
    assert run("cleanup", canary_cleanup_after=0).changed == 10
    assert_kept(before, (100,))


def test_no_request_was_lost(load: dict[str, Any]) -> None:
    found = {name: each.stop() for name, each in load.items()}
    load.clear()
    assert all(set(codes) == {"200"} for codes in found.values()), found
