# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from bench.fortio import answers_of
from lab.progress import LabError

REPORT = {"RetCodes": {"200": 862, "503": 9, "-1": 2}, "ActualQPS": 216.4, "NumThreads": 8}


def test_whatever_is_not_200_is_lost() -> None:
    answers = answers_of(REPORT)
    assert (answers.sent, answers.lost, answers.rate) == (873, 11, 216.4)
    assert answers.by_status[-1] == 2


def test_nothing_is_lost_when_all_is_answered() -> None:
    assert answers_of({**REPORT, "RetCodes": {"200": 5}}).lost == 0


def test_other_statuses_of_success_are_lost_too() -> None:
    assert answers_of({**REPORT, "RetCodes": {"200": 5, "204": 1}}).lost == 1


@pytest.mark.parametrize("report", [{"error": True, "message": "URL is required"}, {}])
def test_what_is_no_result_is_not_taken_as_one(report: dict[str, object]) -> None:
    with pytest.raises(LabError, match="no result"):
        answers_of(report)
