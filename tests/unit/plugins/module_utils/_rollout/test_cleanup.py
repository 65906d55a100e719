# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others may remove after a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._proxy.fleet import Unproven
from ansible_collections.progressive.istio.plugins.module_utils._release.model import Rejected, Want
from ansible_collections.progressive.istio.plugins.module_utils._rollout.cleanup import Leftover, Removal, removal_of
from ansible_collections.progressive.istio.plugins.module_utils._rollout.context import Outcome, Request, Session
from ansible_collections.progressive.istio.plugins.module_utils._rollout.pipeline import carry_out
from api_server import Answer, ApiServer
from pong_mesh import destination_rule, virtual_service

Asked = Callable[..., Request]


class Blind:
    """Proxies that cannot be asked."""

    def absent(self, *_: object) -> None:
        raise Unproven("no proxy answers")


def cleaned(session: Session, asked: Asked) -> tuple[Request, Outcome]:
    """A release to 100 %, of which stable has left the route."""
    promoted = asked()
    carry_out(session, replace(promoted, command=replace(promoted.command, weight=100)))
    request = asked(Want.HELD, drain=0)
    return request, carry_out(session, request)


def rival(server: ApiServer, version: str) -> None:
    other = virtual_service(100, versions=(version,))
    other["metadata"]["name"], other["spec"]["hosts"] = "inside", ["inside"]
    server.put("virtualservices", other)


def test_the_version_that_left_is_free(session: Session, asked: Asked) -> None:
    request, outcome = cleaned(session, asked)
    assert removal_of(session, request, outcome) == (outcome, Removal("v1", [], (Leftover("v3", [], ""),)))


def test_before_the_end_there_is_nothing(server: ApiServer, session: Session, asked: Asked) -> None:
    server.put("destinationrules", destination_rule("v1", "v2"))
    request = asked(Want.HELD, drain=0)
    outcome = carry_out(session, request)
    assert removal_of(session, request, outcome) == (outcome, Removal())


def test_other_routes_keep_it(server: ApiServer, session: Session, asked: Asked) -> None:
    rival(server, "v1")
    _outcome, removal = removal_of(session, *cleaned(session, asked))
    assert (removal.removed, removal.used_by) == ("v1", ["http route primary of shop/inside"])


def test_a_proxy_that_cannot_be_asked_keeps_it(session: Session, asked: Asked) -> None:
    request, outcome = cleaned(session, asked)
    blind: Any = Blind()
    found, removal = removal_of(replace(session, prover=blind), request, outcome)
    assert removal == Removal()
    assert found.decision == Rejected("whether v1 can be removed could not be seen: no proxy answers; fix that first")


def test_a_proxy_that_cannot_be_asked_keeps_what_is_left_over(
    server: ApiServer, session: Session, asked: Asked
) -> None:
    rival(server, "v1")
    request, outcome = cleaned(session, asked)
    blind: Any = Blind()
    found, removal = removal_of(replace(session, prover=blind), request, outcome)
    assert (found, removal.removed) == (outcome, "v1")
    assert [each.why for each in removal.leftovers] == [
        "whether v3 can be removed could not be seen: no proxy answers; fix that first"
    ]


def test_routes_that_may_not_be_read_keep_all(server: ApiServer, session: Session, asked: Asked) -> None:
    request, outcome = cleaned(session, asked)
    server.before = lambda _number, _sent: Answer(403, "Forbidden", "no")
    found, removal = removal_of(session, request, outcome)
    assert removal == Removal()
    assert "whether other routes lead to v1 could not be seen" in found.decision.why
