# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.progressive.istio.plugins.filter.status_table import status_table

UNDER_WAY = {
    "exists": True,
    "weights": {"v1": 80, "v2": 20},
    "phase": "progressing",
    "step": 2,
    "steps": [5, 20, 100],
    "versions": {"v1": {"ready": 3, "total": 3}, "v2": {"ready": 0, "total": 1}},
    "next": "v2 soaks until noon",
    "problems": ["v2 has no ready pod"],
}
FRESH = {
    "exists": True,
    "weights": {"v1": 100, "v2": 0},
    "phase": "none",
    "versions": {"v1": {"ready": 1, "total": 1}},
    "next": None,
    "problems": [],
}


def test_one_line_a_service_and_its_problems_below() -> None:
    services = [
        {"name": "shop/pong", "info": UNDER_WAY},
        {"name": "shop/cart", "info": FRESH},
        {"name": "shop/none", "info": {"exists": False, "problems": ["VirtualService shop/none does not exist"]}},
        {"name": "shop/away"},
    ]
    assert status_table(services) == [
        "service    requests            phase        step    ready pods      next",
        "shop/pong  v1 80 %, v2 20 %    progressing  2 of 3  v1 3/3, v2 0/1  v2 soaks until noon",
        "  ! v2 has no ready pod",
        "shop/cart  v1 100 %, v2 0 %    none         -       v1 1/1          -",
        "shop/none  there is no canary",
        "  ! VirtualService shop/none does not exist",
        "shop/away  could not be read",
    ]
