# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages name exists, and what exists is named."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "lab/*.md", "bench/*.md", "roles/*/README.md")
    for page in ROOT.glob(pattern)
    if page.name != "CHANGELOG.md"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^    .*$|`[^`\n]+`", re.MULTILINE)
HELD_BY = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
MAPPED = re.compile(r"`([a-z0-9_]+)`")
REPOSITORY = "https://github.com/progressive-istio/progressive.istio/blob/main/"
PLAYBOOK = re.compile(r"(?:playbooks/|progressive\.istio\.)(\w+)\.yml")


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(text_of(page)) if "://" not in link]
    for link in links:
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} does not exist"
        assert not heading or heading in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_that_is_not_shipped_leads_somewhere(page: Path) -> None:
    """They are links to the repository, for the tarball lacks these files."""
    for link in LINK.findall(text_of(page)):
        if link.startswith(REPOSITORY):
            assert (ROOT / link.removeprefix(REPOSITORY)).exists(), f"{link} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_playbook_that_is_named_exists(page: Path) -> None:
    there = {file.stem for file in (ROOT / "playbooks").glob("*.yml")}
    assert set(PLAYBOOK.findall(text_of(page))) <= there


def test_every_playbook_role_module_and_example_is_named() -> None:
    pages = [page for page in PAGES if page.parent in (ROOT, ROOT / "docs")]
    code = "\n".join(part for page in pages for part in CODE.findall(text_of(page)))
    links = "\n".join(link for page in pages for link in LINK.findall(text_of(page)))
    names = {f"{file.stem}.yml" for file in (ROOT / "playbooks").glob("*.yml")}
    names |= {role.name for role in (ROOT / "roles").iterdir()}
    names |= {file.stem for file in (ROOT / "plugins" / "modules").glob("*.py")}
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", code)} == set()
    examples = {file.name for file in (ROOT / "docs" / "examples").iterdir()}
    assert {name for name in examples if f"examples/{name}" not in links} == set()


def test_the_readme_has_the_commands_of_the_page_about_adoption() -> None:
    """Those of the page are run by the scenario `examples`."""
    adopt = re.findall(r"^    \$ (ansible-.+)$", text_of(ROOT / "docs" / "adopt.md"), re.MULTILINE)
    readme = [sorted(line.partition(" #")[0].split()) for line in text_of(ROOT / "README.md").splitlines()]
    assert len(adopt) == 5
    assert [command for command in adopt if sorted(command.split()) not in readme] == []


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    safety = text_of(ROOT / "docs" / "safety.md")
    held = HELD_BY.findall(safety)
    assert len(held) == safety.count("::")
    for file, name in held:
        assert re.search(rf"^ *def {name}\(", text_of(ROOT / file), re.MULTILINE), f"{file}::{name}"


def test_every_file_is_on_the_map() -> None:
    """Each once, in the row of its package, and no other."""
    found = re.search(r"^## The map$(.*?)^\| place ", text_of(ROOT / "CONTRIBUTING.md"), re.MULTILINE | re.DOTALL)
    assert found
    rows = re.findall(r"^\| \d \| `(\w+)` \| [^|]+ \| (.+) \|$", found[1], re.MULTILINE)
    named = sorted(f"{package}/{name}" for package, files in rows for name in MAPPED.findall(files))
    utils = ROOT / "plugins" / "module_utils"
    assert named == sorted(file.relative_to(utils).with_suffix("").as_posix() for file in utils.rglob("*.py"))
