# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.text import shortened


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("all of it", "all of it"),
        ("  over\n two\tlines ", "over two lines"),
        ("x" * 60, "x" * 60),
        ("x" * 61, f"{'x' * 20} ... {'x' * 35}"),
        (
            "Error adding route http.80: virtual host a, b, c, d, e, f, g: duplicate domain a",
            "Error adding route ... c, d, e, f, g: duplicate domain a",
        ),
    ],
)
def test_what_is_long_loses_its_middle(text: str, short: str) -> None:
    assert shortened(text, 60) == short
    assert len(short) <= 60
