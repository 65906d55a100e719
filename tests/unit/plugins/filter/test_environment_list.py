# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.filter.environment_list import environment_list


@pytest.mark.parametrize(
    ("value", "text"),
    [("v2", "v2"), ('say "hi"', 'say "hi"'), (True, "true"), (False, "false"), (0.5, "0.5"), (7, "7")],
)
def test_values_are_text_as_yaml_has_them(value: object, text: str) -> None:
    assert environment_list({"NAME": value}) == [{"name": "NAME", "value": text}]
