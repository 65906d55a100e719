# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/settings.md: every variable, from the argument_specs of the roles, grouped by what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings
<!-- Written by `make settings` from the roles' argument_specs. -->

Each is a variable of a host, a group or a play, or given with `-e`. The inventory plugin `progressive.istio.canaries`
sets those that say which service is meant, so a service that it finds needs none. "-" means that there is no default.
`ansible-doc -t role progressive.istio.canary` lists those of each task file, and with `-e hold` those of one.
"""
PLAYS = {
    "canary_hosts": (
        "canaries",
        "The hosts of all playbooks. Without an inventory, `localhost` for one service that is given with `-e`.",
    ),
    "canary_serial": (
        '"100%"',
        "How many hosts at once: a number, a percentage or a list of these. `observability.yml` has 1.",
    ),
    "canary_max_fail_percentage": ("100", "The run stops if more than this percentage of a wave's hosts failed."),
    "canary_python_interpreter": (
        "Ansible's own",
        "Python that runs the modules. Another one takes a process for each task.",
    ),
}
# By anchor in the argument_specs of the role canary.
GROUPS = {
    "service": "The service",
    "release": "The release",
    "requests": "Requests of its own, through the ingress gateway",
    "page": "The page of a run",
    "site": "What site.yml makes and teardown.yml removes",
    "kiali": "A Kiali outside the cluster",
}
GROUP = re.compile(r"^ {8}- &(\w+)\n((?: {10}.*\n)+)", re.MULTILINE)
ROLES = [
    "istio",
    "injection",
    "observability",
    "app_version",
    "destination_rule",
    "gateway",
    "virtual_service",
    "object",
]
MARKUP = re.compile(r"\b[A-Z]+\(([^()#]+)(?:#[^()]*)?\)")


def options(role: str) -> dict[str, dict[str, Any]]:
    """Those of all entry points of a role; what the first of them says of an option counts."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = {}
    for spec in specs["argument_specs"].values():
        found = {**(spec.get("options") or {}), **found}
    return found


def grouped() -> dict[str, list[str]]:
    """The settings of the role canary by group."""
    text = (ROOT / "roles" / "canary" / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    return {group: re.findall(r"^ {10}(\w+):", lines, re.MULTILINE) for group, lines in GROUP.findall(text)}


def played() -> set[str]:
    """The variables that only playbooks read, for they choose hosts before any role runs."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "playbooks").rglob("*.yml")]
    names = {name for text in texts for name in re.findall(r"(?<![\w.])canary_\w+(?= (?:is defined|\| default))", text)}
    return names - set(options("canary"))


def described(option: dict[str, Any]) -> str:
    lines = option["description"]
    text = " ".join([lines] if isinstance(lines, str) else lines)
    choices = [f"`{choice}`" for choice in option.get("choices", [])]
    return MARKUP.sub(r"`\1`", text) + (f" One of {', '.join(choices)}." if choices else "")


def default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "-"
    text = yaml.safe_dump(option["default"], default_flow_style=True, width=1000).removesuffix("...\n").strip()
    return f"`{text}`"


def table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [" | ".join(["", f"`{name}`", value, about, ""]).strip() for name, value, about in rows]
    return "\n".join([f"## {title}", "| variable | default | |", "|---|---|---|", *lines, ""])


def rows(found: dict[str, dict[str, Any]], names: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(name, default(found[name]), described(found[name])) for name in names]


def page() -> str:
    settings = options("canary")
    parts = [table(GROUPS[group], rows(settings, names)) for group, names in grouped().items()]
    parts.insert(2, table("Which hosts, and how many at once", [(name, *about) for name, about in PLAYS.items()]))
    parts += [table(f"The role {role}", rows(found, found)) for role in ROLES if (found := options(role))]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
