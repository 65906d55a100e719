# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from bench.imports import import_seconds

ERRORS = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |   _io
import time:      2000 |       2100 | json
[WARNING]: something else
import time:    500000 |     502100 | canary
"""


def test_each_import_counts_once() -> None:
    assert import_seconds(ERRORS) == pytest.approx(0.5021)


def test_no_imports() -> None:
    assert import_seconds("") == 0
