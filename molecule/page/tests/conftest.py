"""Pages in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from molecule_helpers import module
from page_service import FILES, SERVICE, TARGET
from playwright.sync_api import Browser, Page, sync_playwright
from pong import Pong

# What a busy test machine keeps too.
ANALYSIS = {"latency": {"threshold_ms": 10000}, "minimum_requests": 80}


@dataclass(frozen=True)
class Shown:
    """A page that is open, and what went wrong in it."""

    page: Page
    trouble: list[str] = field(default_factory=list)

    def text(self, selector: str = "body") -> str:
        return re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", self.page.inner_text(selector))

    def numbers(self) -> dict[int, dict[str, list[float | None]]]:
        """By weight and row of its table what is shown of both versions, None where there is no number."""
        script = """() => Object.fromEntries([...document.querySelectorAll("article[data-weight]")].map(step => [
            step.dataset.weight,
            Object.fromEntries([...step.querySelectorAll("tbody tr")].map(row => [
                row.querySelector("th").textContent,
                [...row.querySelectorAll("td")].slice(0, 2).map(cell => cell.querySelector("data")?.value ?? null)
            ]))
        ]))"""
        found = self.page.evaluate(script)
        return {
            int(weight): {name: [None if one is None else float(one) for one in pair] for name, pair in rows.items()}
            for weight, rows in found.items()
        }


@pytest.fixture(scope="session", autouse=True)
def service() -> None:
    Pong("canary-page", "page.test", {"v1": {}, "v2": {}, "flaky": {"PONG_ERROR_RATE": "0.1"}}).set_up()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Chromium is missing: `make scenario-page` installs it"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Shown]]:
    """Open a page; a test fails if the browser has anything to say against it, or it loads anything."""
    opened: list[Shown] = []

    def open_(file: Path, scheme: str = "light", width: int = 1100) -> Shown:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        shown = Shown(context.new_page())
        shown.page.on("console", lambda message: shown.trouble.append(f"{message.type}: {message.text}"))
        shown.page.on("pageerror", lambda error: shown.trouble.append(str(error)))
        shown.page.on(
            "request", lambda request: request.url == file.as_uri() or shown.trouble.append(f"loads {request.url}")
        )
        shown.page.goto(file.as_uri())
        opened.append(shown)
        return shown

    yield open_
    for each in opened:
        each.page.context.close()
        assert each.trouble == []


@pytest.fixture(scope="session")
def load(ingress: str) -> Iterator[None]:
    """A hundred and fifty requests a second through the gateway."""
    limits = ["-qps", "150", "-c", "8", "-t", "3600s", "-quiet", "-nocatchup", "-allow-initial-errors"]
    command = ["fortio", "load", *limits, "-H", "Host: page.test", f"http://{ingress}/version"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield
        process.send_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def release(play, load, tmp_path_factory) -> Callable[..., tuple[dict[str, Any], Path, Any]]:
    """A release as a person runs it, from everything on v1: its result, its folder of pages, and how it ended."""

    def run(**variables: Any) -> tuple[dict[str, Any], Path, Any]:
        module("canary", **TARGET, state="rolled_back")
        folder = tmp_path_factory.mktemp("release")
        fixed = {
            "canary_steps": [20, 50, 100],
            "canary_interval": 2,
            "canary_analysis": ANALYSIS,
            "canary_confirm": True,
        }
        ended = play(
            "canary",
            **{**SERVICE, **fixed, **variables},
            **{"canary_on_end": str(FILES / "keep.yml"), "kept": str(folder / "result.json")},
            canary_page=str(folder / "pages"),
        )
        return json.loads((folder / "result.json").read_text()), folder / "pages", ended

    return run
