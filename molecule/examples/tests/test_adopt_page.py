"""The commands of docs/adopt.md and the task of the README, on a service that the collection did not make: they print
what the pages show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign import Foreign

NAMESPACE = "examples-shop"
SERVICE = Foreign(NAMESPACE)
ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^    \$ (ansible-.+)\n((?:    .*\n)+)", re.MULTILINE)
PAGE = (ROOT / "docs" / "adopt.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall(PAGE)


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[None]:
    SERVICE.set_up()
    yield
    SERVICE.remove()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the file of the page, restricted to this service: others of the cluster belong to other tests."""
    folder = tmp_path_factory.mktemp("adopt")
    (line,) = re.findall(r"^    echo '(.+)' > canaries.istio.yml$", PAGE, re.MULTILINE)
    (folder / "canaries.istio.yml").write_text(f"{line}\nnamespaces: [{NAMESPACE}]\n", encoding="utf-8")
    return folder


def alike(text: str) -> list[str]:
    """Lines without what differs from run to run: numbers, names of the cluster, and the width of columns."""
    ours = re.sub(r"kind-\S+|(?<=ingressgateway-)\S+", "NAME", text.replace(NAMESPACE, "shop"))
    ours = ours.replace("1 warning)", "1 warnings)")
    return [" ".join(re.sub(r"\d+", "0", line).split()) for line in ours.splitlines()]


def assert_prints(folder: Path, command: str, shown: str) -> None:
    words = shlex.split(command.replace("shop", NAMESPACE))
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    printed = alike(process.stdout)
    # A page shows the begin of a line where the rest depends on how fast a proxy answers.
    assert [line for line in alike(shown) if not any(each.startswith(line) for each in printed)] == [], process.stdout


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_the_commands_in_their_order(folder: Path, command: str, shown: str) -> None:
    assert_prints(folder, command, shown)


def test_the_last_of_them_has_rolled_back() -> None:
    assert len(BLOCKS) == 5
    route = SERVICE.kube.get("virtualservice", "checkout-routes")["spec"]["http"][0]["route"]
    assert [destination.get("weight", 0) for destination in route] == [100, 0]


def test_the_task_of_the_readme(folder: Path) -> None:
    (play,) = re.findall(r"^```yaml\n(- name: Release.+?)^```$", README, re.MULTILINE | re.DOTALL)
    (folder / "release.yml").write_text(play.replace("shop", NAMESPACE), encoding="utf-8")
    ((command, shown),) = BLOCK.findall(README)
    assert_prints(folder, command, shown)
