# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.background import begin


def test_the_result_is_that_of_the_task() -> None:
    future = begin(threading.current_thread)
    assert future.result(10) is not threading.current_thread()
    assert future.result().daemon


def test_its_error_is_raised_where_it_is_waited_for() -> None:
    future = begin(lambda: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        future.result(10)


def test_the_process_does_not_wait_for_it() -> None:
    code = f"import sys, time; sys.path[:] = {[path for path in sys.path if path]!r}; "
    code += f"from {begin.__module__} import begin; begin(lambda: time.sleep(60))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
