# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.http_client import Answer
from ansible_collections.progressive.istio.plugins.module_utils._kiali.client import (
    Kiali,
    KialiError,
    by_url,
    is_url,
    origin,
    roots,
)
from kiali_server import CANARY, SESSION, serving
from kiali_server import Kiali as Served

Asked = list[tuple[str, str, Mapping[str, str], Any]]


def answer(status: int = 200, body: object = "", **headers: str) -> Answer:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return Answer(status, message, (body if isinstance(body, str) else json.dumps(body)).encode())


def kiali(answers: Mapping[str, Answer], token: str = "", asked: Asked | None = None) -> Kiali:
    def ask(method: str, path: str, headers: Mapping[str, str], body: str | None) -> Answer:
        if asked is not None:
            asked.append((method, path, dict(headers), body))
        return answers.get(path, answer(404, "no such page"))

    return Kiali("Kiali", ("/kiali", ""), token, ask)


def failure(act: Callable[[], object]) -> str:
    with pytest.raises(KialiError) as caught:
        act()
    return str(caught.value)


OPEN = answer(body={"strategy": "anonymous"})


def test_the_first_root_with_an_api_is_taken() -> None:
    asked: Asked = []
    found = kiali({"/api/auth/info": OPEN, "/graph": answer(body=[1])}, asked=asked)
    assert (found.root, found.get("/graph")) == ("", [1])
    assert [path for _method, path, _headers, _body in asked] == ["/kiali/api/auth/info", "/api/auth/info", "/graph"]
    assert all("Authorization" not in headers for _method, _path, headers, _body in asked)


def test_another_root_is_not_tried_after_a_refusal() -> None:
    asked: Asked = []
    text = failure(lambda: kiali({"/kiali/api/auth/info": answer(403, "denied")}, asked=asked))
    assert (text, len(asked)) == ("Kiali answered 403: denied", 1)


def test_a_token_is_exchanged_for_a_session() -> None:
    session = answer(body={})
    for cookie in ("a=1; Path=/", "b=2; Secure"):
        session.headers["Set-Cookie"] = cookie
    asked: Asked = []
    answers = {
        "/kiali/api/auth/info": answer(body={"strategy": "token"}),
        "/kiali/api/authenticate": session,
        "/kiali/graph": answer(body={}),
    }
    kiali(answers, "hush+1", asked).get("/graph")
    method, _path, headers, body = asked[1]
    assert (method, body, headers["Content-Type"]) == ("POST", "token=hush%2B1", "application/x-www-form-urlencoded")
    assert asked[2][2]["Cookie"] == "a=1; b=2"
    assert all(headers["Authorization"] == "Bearer hush+1" for _method, _path, headers, _body in asked)


def test_a_token_that_is_needed_and_missing() -> None:
    text = failure(lambda: kiali({"/kiali/api/auth/info": answer(body={"strategy": "token"})}))
    assert text == "Kiali needs a token: set canary_kiali_token (kiali_token)"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(401, {"error": "expired"}), "Kiali refuses access (401: expired): the token is wrong or has expired"),
        (answer(400, {"error": "bad", "detail": "x"}), "Kiali answered 400: bad x"),
        (answer(500, {"error": ""}), 'Kiali answered 500: {"error": ""}'),
        (answer(503), "Kiali answered 503: nothing"),
        (
            answer(302, Location="https://sso/?t=hush"),
            "Kiali sends elsewhere, to https://sso/?t=***: give that URL, or a token",
        ),
        (answer(404, {"error": "no graph"}), "Kiali answered 404: no graph"),
        (answer(200, "hush\nhtml"), "with a path such as /kiali? It said (200): *** html"),
    ],
)
def test_other_answers_are_one_sentence_without_the_token(given: Answer, sentence: str) -> None:
    found = kiali({"/kiali/api/auth/info": OPEN, "/kiali/graph": given}, "hush")
    assert failure(lambda: found.get("/graph")).endswith(sentence)


def test_a_kiali_at_a_url_is_asked_over_http() -> None:
    served = Served(token="right", graph=CANARY)
    with serving(served) as server:
        url = server.url.replace("//", "//user:pass@") + "/kiali/console/graph"
        found = by_url(url, "right", 5)
        assert found.get("/api/namespaces/graph") == CANARY
    assert found.where == f"Kiali at {server.url}/kiali"
    assert served.asked[-1][2]["Cookie"] == "; ".join(SESSION)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://kiali", True),
        ("https://[fd00::1]:20001/kiali", True),
        ("", False),
        ("kiali:20001", False),
        ("ftp://kiali", False),
        ("http://", False),
        ("http://kiali:0", False),
        ("http://kiali:many", False),
    ],
)
def test_urls(url: str, expected: bool) -> None:
    assert is_url(url) == expected


def test_parts_of_a_url() -> None:
    assert [origin(url) for url in ("https://me:pass@kiali:1/x?y", "")] == ["https://kiali:1", ""]
    assert [roots(url) for url in ("", "http://k", "http://k/", "http://k/mesh/", "http://k/mesh/console/x")] == [
        ("/kiali", ""),
        ("/kiali", ""),
        ("/kiali", ""),
        ("/mesh",),
        ("/mesh",),
    ]
    assert roots("http://k/console/graph") == ("/kiali", "")
