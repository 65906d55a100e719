"""Run every module's EXAMPLES as they are written, and compare what they return with RETURN and its samples."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from documented import MODULES, Documented, mismatches, read, strangers, unlike

# The examples are about a service in namespace default that has all the time that it needs.
PLACES = {
    "namespace: default": "namespace: examples",
    ".default.svc": ".examples.svc",
    "namespace: shop": "namespace: examples",
}
TIMES = re.compile(r"\b(interval|drain): \d+")
# A release of all steps does not follow the rollback of the example before it.
SERVICE = {"name": "pong-server-virtual-service", "stable": "v1", "canary": "v2"}
START = {**SERVICE, "weight": 1, "confirm": True}
# One more call, for what only a failure returns.
FAILURES = {
    "canary": {**SERVICE, "weight": "10%"},
    "canaries": {"state": "weighted", "canaries": [{**SERVICE, "namespace": "examples", "weight": "10%"}]},
}
# A verdict needs thousands of requests, as in the scenario `analysis`; counts of the past a Prometheus, as in `page`.
# The example of `canary_info` is about one VirtualService.
UNSEEN = {"analysis", "counted", "virtual_services"}
# It needs a Kiali, and the scenario `kiali` has one.
ELSEWHERE = {"kiali_graph_info"}

# Most examples are about 20 % on v2. `canary` ends with v1 out of the route, and `proxy_wait` waits for that.
LAST = ["canary", "proxy_wait"]
NAMES = {file.stem for file in MODULES.glob("*.py")} - ELSEWHERE
STORY = sorted(map(read, NAMES), key=lambda module: (module.name in LAST, module.name))

Results = list[dict[str, Any]]


@pytest.fixture(scope="module", params=STORY, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Documented:
    return request.param


@pytest.fixture(scope="module")
def results(module: Documented, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the module returned for each of its examples."""
    folder = tmp_path_factory.mktemp(module.name)
    tasks = tasks_of(module)
    names = [
        task.setdefault("register", f"example_{number}") for number, task in enumerate(tasks) if module.fqcn in task
    ]
    keep = "{{ [" + ", ".join(names) + "] | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": keep, "dest": str(folder / "results"), "mode": "0600"}})
    book = [{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults(), "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(book, sort_keys=False), encoding="utf-8")
    run = subprocess.run(["ansible-playbook", folder / "play.yml"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    found: Results = json.loads((folder / "results").read_text(encoding="utf-8"))
    return found


def tasks_of(module: Documented) -> list[dict[str, Any]]:
    text = TIMES.sub(r"\1: 1", module.examples)
    for written, meant in PLACES.items():
        text = text.replace(written, meant)
    tasks: list[dict[str, Any]] = []
    for task in yaml.safe_load(text):
        if (task.get(module.fqcn) or {}).get("state") == "promoted":
            tasks.append({"progressive.istio.canary": START, "register": "start"})
        tasks.append(task)
    if module.name in FAILURES:
        tasks.append({module.fqcn: FAILURES[module.name], "ignore_errors": True})
    return tasks


def defaults() -> dict[str, Any]:
    """The namespace of the service, for modules that are not told one."""
    return {
        module.fqcn: {"namespace": "examples"}
        for module in STORY
        if module.options.get("namespace", {}).get("default") == "default"
    }


def test_every_example_returns_what_is_documented(module: Documented, results: Results) -> None:
    assert [problem for result in results for problem in strangers(module.returned, result, result["failed"])] == []


def test_every_documented_value_is_returned_by_an_example(module: Documented, results: Results) -> None:
    returned = {key for result in results for key in result}
    assert set(module.returned) - returned - UNSEEN == set()


def test_samples_look_like_what_is_returned(module: Documented, results: Results) -> None:
    for key, about in module.returned.items():
        real = [result[key] for result in results if result.get(key)]
        sample = about.get("sample")
        assert mismatches(about, sample) == [], key
        assert unlike(sample, real) == [], key
