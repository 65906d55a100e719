# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of one service, line by line, and of many, every 15 seconds."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.progressive.istio.plugins.plugin_utils._progress import EVERY, noted


def test_many_services_are_one_line_every_fifteen_seconds(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    assert noted(file, "shop/a", 5, 5, 100.0) == ""
    assert noted(file, "shop/b", 20, 5, 101.0) == ""
    assert noted(file, "shop/c", 5, 5, 100 + EVERY) == (
        "after 15 s, of 5 services: 2 at 5 % (shop/a, shop/c), 1 at 20 % (shop/b); 2 not begun or unchanged"
    )
    assert noted(file, "shop/a", 20, 5, 101 + EVERY) == ""
    assert noted(file, "shop/d", 20, 5, 100 + 2 * EVERY).startswith(
        "after 30 s, of 5 services: 1 at 5 % (shop/c), 3 at 20 % (shop/a, shop/b, shop/d)"
    )
