# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._traffic.versions import version_pattern, versions_in


@pytest.mark.parametrize(("body", "version"), [("2026.7.1", "2026.7.1"), ("2026.7", "2026.7"), ("2026x7", None)])
def test_version_names_are_no_patterns(body: str, version: str | None) -> None:
    match = version_pattern(["2026.7", "2026.7.1"]).search(body)
    assert (match and match.group()) == version


@pytest.mark.parametrize(
    ("pattern", "versions"),
    [
        (r"b\d", {"b7", "b8"}),
        (r"build (b\d)", {"b7"}),
        (r"(build) (?P<version>b\d)", {"b7"}),
        (r"(name)|b9", set()),
    ],
)
def test_the_versions_in_a_text(pattern: str, versions: set[str]) -> None:
    assert versions_in(re.compile(pattern), "build b7, b8") == versions
