"""How many answers of a bad canary users see, where no other test delays the run that counts them."""

from __future__ import annotations

import time

from judged import Judged
from load import Load
from pace import Pace
from pong import Pong

PONG = Pong("exclusive-answers", "answers.test", {"v1": {}, "bad": {"PONG_ERROR_RATE": "1"}})


def test_users_see_few_answers_of_a_canary_that_fails_them_all(ingress, answers, eventually, tmp_path):
    """100 requests/s, every answer of the canary is a 500, first step 20 %."""
    PONG.set_up()
    judged = Judged(PONG)
    judged.reset("v1", "bad")
    eventually(lambda: set(answers(host=PONG.public, count=20)) == {"v1"})
    requests = Load(f"http://{ingress}/version", PONG.public, 100, tmp_path / "load.json")
    with Pace() as pace:
        result = judged.step("bad", {})
    time.sleep(0.5)
    codes = requests.stop()
    assert result["failed"]
    assert [each["event"] for each in result["transitions"]] == ["advanced", "failed"]
    assert judged.weights == {"v1": 100, "bad": 0}
    assert result["live"], "the rollback was not proven"
    assert 0 < codes["500"] <= 20 * pace.slowdown, codes
    assert set(codes) == {"200", "500"}, codes
