"""An alert of Alertmanager rolls back the canary that it names, and no other."""

from __future__ import annotations

import pytest
from rulebook import Rulebook


@pytest.fixture
def rulebook(tmp_path, eventually):
    running = Rulebook(tmp_path)
    try:
        eventually(running.listens, 60)
        yield running
    finally:
        running.stop()


def test_an_alert_rolls_its_canary_back(rulebook, estate, eventually):
    catalog, cart = (estate(name) for name in ("catalog", "cart"))
    for each in (catalog, cart):
        each.weigh(20)
    assert rulebook.notify({"alertname": "CanaryErrors", "canary": "cart"}, token="guessed") == 401
    assert rulebook.notify({"alertname": "CanaryErrors", "canary": "cart"}, status="resolved") == 200
    assert rulebook.notify({"alertname": "NodeDown"}, {"alertname": "CanaryErrors", "canary": "catalog"}) == 200
    eventually(lambda: "PLAY RECAP" in rulebook.log.read_text(), 60)
    assert catalog.weights == {"v1": 100, "v2": 0}, rulebook.log.read_text()
    assert "alert CanaryErrors" in catalog.info["history"][-1]["why"]
    assert cart.weights == {"v1": 80, "v2": 20}, rulebook.log.read_text()
