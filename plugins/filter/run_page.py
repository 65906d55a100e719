# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one self-contained HTML page of a canary's run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.printable import printable_values
from ansible_collections.progressive.istio.plugins.module_utils._report.together import together
from ansible_collections.progressive.istio.plugins.plugin_utils._page import page

TEMPLATE = Path(page.__file__).with_name("run_page.html.j2")


def run_page(
    found: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    app: str = "",
    playbook_options: str = "",
    links: Mapping[str, str] | None = None,
) -> str:
    """The page of what `canary` returned, in one call or in several, or of what `canary_info` did.

    app: the service as people call it. playbook_options: with which a playbook finds it, for the commands in it.
    links: URL by name, of what is elsewhere.
    """
    results = [found] if isinstance(found, Mapping) else list(found)
    result = printable_values(reduce(together, results))
    shown = page.page_of(page.of_status(result) if "exists" in result else result, app, playbook_options, links or {})
    return str(_template().render(page=shown))


@cache
def _template() -> Any:
    import jinja2  # a play without a page need not load it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "stamp": lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "clock": lambda moment: f"{moment:%H:%M:%S}",
        "day": lambda moment: f"{moment:%d %b %Y}",
        "kept": lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%"),  # with its number on one line
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name it."""
        return {"run_page": run_page}
