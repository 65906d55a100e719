#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_probe
version_added: 1.0.0
short_description: Send requests to a service and count how they split over its versions
description:
  - Sends a bounded number of GET requests, several at a time, from the machine where the task runs, and counts answers
    by version, errors and latencies.
  - With O(expect) it checks whether the expected weights explain the counts. Envoy draws a version for each request
    independently, so the counts of a version are binomial, and their exact central acceptance range is used. No fixed
    tolerance fits every number of requests.
  - Fails if a version's count is outside its range or if there are more errors than O(max_errors). All numbers are
    returned in both cases.
  - Redirects are not followed, and proxies of the environment are not used.
extends_documentation_fragment:
  - progressive.istio.attributes
  - progressive.istio.attributes.in_process
attributes:
  check_mode:
    support: full
    details:
      - It only reads, so the requests are sent in check mode too, if the first one succeeds. If it does not, the
        service may not be deployed yet, and no more are sent.
      - For the same reason it never fails in check mode. RV(ok) and RV(msg) say what would be wrong.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  url:
    description: The URL to ask, V(http) or V(https).
    type: str
    required: true
  requests:
    description:
      - Number of requests, 1 to 100000.
      - Fifty cannot distinguish 20 % from 10 %, for the range of 20 % is 2 to 20 requests. With 500 it is 72 to 130.
    type: int
    default: 50
  concurrency:
    description: Number of requests at a time, 1 to 100.
    type: int
    default: 4
  headers:
    description:
      - Headers to send with each request. Their values are never shown.
      - C(Host) names the service behind a shared gateway; for an C(https) URL it is also the server name of the TLS
        handshake, which is checked.
    type: dict
    default: {}
  timeout:
    description: Seconds that one request may take.
    type: float
    default: 5
  deadline:
    description: Seconds that all requests together may take; those unfinished then count as errors.
    type: float
    default: 60
  keepalive:
    description:
      - Whether each of the concurrent workers keeps its connection for all its requests.
      - If V(false), every request uses a new connection, which also spreads them over all replicas of a gateway.
    type: bool
    default: true
  expect:
    description:
      - The expected weight of each version. As in Istio, only their ratio matters.
      - A version that answers and is not listed here has the weight 0.
    type: dict
    default: {}
  others:
    description:
      - The weights of further destinations with answers that name no version.
      - An answer without a version then counts for them and is no error, unless its status is 500 or above.
      - They are counted together, under all their names.
    type: dict
    default: {}
    version_added: 1.1.0
  confidence:
    description: The probability with which a correct split passes, for each version.
    type: float
    default: 0.999
  version_pattern:
    description:
      - Regular expression (Python) that finds the version in the body of an answer. Its group C(version) is the
        version, else its first group, else all that it matches.
      - By default the versions of O(expect) are searched as whole words, or words like V(v1) and V(v2.3) without them.
      - With this, an answer that names no version or several is an error. With O(expect) alone its version is unknown,
        and the counts of the others are not compared with the weights then, since one version may not name itself.
    type: str
  expect_status:
    description: The status codes that are not errors.
    type: list
    elements: int
    default: [200]
  max_errors:
    description: The number of errors that are allowed.
    type: int
    default: 0
  wait_timeout:
    description:
      - Seconds to wait for the first good answer. V(0) does not wait. The requests of this wait are not counted.
    type: float
    default: 0
  validate_certs:
    description: Whether the certificate of an C(https) URL must be valid.
    type: bool
    default: true
  ca_path:
    description: File with the certificates of the authorities to trust, in PEM.
    type: path
seealso:
  - module: progressive.istio.ingress_info
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Find the ingress gateway
  progressive.istio.ingress_info:
  register: ingress

- name: Wait until the service answers
  progressive.istio.traffic_probe:
    url: "{{ ingress.url }}/ping"
    headers:
      Host: pong.example.com
    requests: 1
    wait_timeout: 60

- name: Send 500 requests and check that 20 % reach v2
  progressive.istio.traffic_probe:
    url: "{{ ingress.url }}/version"
    requests: 500
    headers:
      Host: pong.example.com
    expect:
      v1: 80
      v2: 20
  register: probe

- name: Show the split
  ansible.builtin.debug:
    msg: "{{ probe.table.splitlines() }}"

- name: Compare by the number alone, out of an answer such as v2
  progressive.istio.traffic_probe:
    url: "{{ ingress.url }}/version"
    headers:
      Host: pong.example.com
    version_pattern: 'v(\d+)'
    expect:
      "1": 80
      "2": 20
"""

RETURN = r"""
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: "50 requests to http://172.18.0.200/version in 0.3 s: v1 41 (82.0 %), v2 9 (18.0 %), 0 errors"
ok:
  description: Whether all counts are in their ranges and no more errors than allowed occurred.
  returned: always
  type: bool
  sample: true
table:
  description: The result as a text table for a terminal.
  returned: always
  type: str
  sample: |
    version  requests   share  expected  99.9 % range
    v1             41  82.0 %    80.0 %         30-48  ok
    v2              9  18.0 %    20.0 %          2-20  ok
    errors   0
    latency  p50 4.1 ms  p95 6.0 ms  p99 7.2 ms  max 7.2 ms
requests:
  description: The number of requests to send.
  returned: always
  type: int
  sample: 50
versions:
  description:
    - Each version that answered or was expected, by its name.
    - C(requests), the number of answers that named it, and C(share), its share of all that named a version, 0 to 1.
    - C(weight), the expected share, 0 to 1; null without O(expect).
    - C(low) and C(high), the lowest and highest count that the weight explains, and C(p_value), the probability of a
      count at least as far out; null without O(expect) or without any answer.
    - C(ok), whether the count is in the range; true without O(expect).
  returned: always
  type: dict
  sample:
    v2: {requests: 9, share: 0.18, weight: 0.2, low: 2, high: 20, p_value: 0.888, ok: true}
unknown:
  description: The number of answers that are no errors and name no version or several, with O(expect).
  returned: always
  type: int
  sample: 0
  version_added: 1.1.0
errors:
  description:
    - "The number of errors by kind: C(refused), C(timeout), C(disconnected), C(unknown_host), C(tls), C(network),
      C(protocol), C(http_STATUS) for a status that is not in O(expect_status), C(no_version),
      C(several_versions), and C(unfinished) at the deadline."
  returned: always
  type: dict
  sample: {http_503: 2, timeout: 1}
error_count:
  description: The number of all errors.
  returned: always
  type: int
  sample: 3
error_samples:
  description: Up to five different errors with their text.
  returned: always
  type: list
  elements: str
  sample: ["http_503: no healthy upstream"]
statuses:
  description: The number of answers by status code.
  returned: always
  type: dict
  sample: {"200": 48, "503": 2}
latency_ms:
  description: Latencies in milliseconds of the answers that are not errors. Empty if there are none.
  returned: always
  type: dict
  sample: {p50: 4.1, p95: 6.0, p99: 7.2, max: 7.2}
reconnects:
  description: How often a kept connection had been closed, so that a request was sent on a new one.
  returned: always
  type: int
  sample: 0
duration:
  description: Seconds that all requests took.
  returned: always
  type: float
  sample: 0.31
waited:
  description: Seconds until the first good answer, with O(wait_timeout).
  returned: always
  type: float
  sample: 0.0
"""

import re
from functools import partial
from math import inf
from ssl import SSLError
from time import monotonic
from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._common.text import plural
from ..module_utils._common.values import number
from ..module_utils._traffic.probe import (
    ProbeAnswer,
    ProbeTarget,
    header_mistakes,
    probe,
    target_of,
    url_mistakes,
    wait_for_answer,
)
from ..module_utils._traffic.split import Split, SplitCriteria, is_success, problems, split_of, summary, table
from ..module_utils._traffic.versions import version_pattern

ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "requests": {"type": "int", "default": 50},
    "concurrency": {"type": "int", "default": 4},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "timeout": {"type": "float", "default": 5},
    "deadline": {"type": "float", "default": 60},
    "keepalive": {"type": "bool", "default": True},
    "expect": {"type": "dict", "default": {}},
    "others": {"type": "dict", "default": {}},
    "confidence": {"type": "float", "default": 0.999},
    "version_pattern": {"type": "str"},
    "expect_status": {"type": "list", "elements": "int", "default": [200]},
    "max_errors": {"type": "int", "default": 0},
    "wait_timeout": {"type": "float", "default": 0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
SPEC = {"argument_spec": ARGUMENTS}
# The lowest and highest value of each number; together they bound a probe.
BOUNDS = {
    "requests": (1, 100_000),
    "concurrency": (1, 100),
    "timeout": (0.001, 600),
    "deadline": (0.001, 3600),
    "max_errors": (0, 100_000),
    "wait_timeout": (0, 3600),
}


def mistakes(params: dict[str, Any]) -> list[str]:
    """All mistakes in the options."""
    found = [
        f"{name} must be between {low} and {high}, and is {params[name]}"
        for name, (low, high) in BOUNDS.items()
        if not low <= params[name] <= high
    ]
    if not 0 < params["confidence"] < 1:
        found.append(f"confidence must be between 0 and 1, and is {params['confidence']}")
    found += url_mistakes(params["url"]) + header_mistakes(_headers(params))
    unfit = [
        f"{option}: the weight of {name} must be a number >= 0, and is {weight!r}"
        for option in ("expect", "others")
        for name, weight in params[option].items()
        if _weight(weight) is None
    ]
    found += unfit
    if params["others"] and not params["expect"]:
        found.append("others: give the weights of the versions too, as expect")
    elif params["expect"] and not unfit and not sum(_weights(params, "expect").values()):
        found.append("expect: at least one weight must be greater than 0")
    try:
        re.compile(params["version_pattern"] or "")
    except re.error as error:
        found.append(f"version_pattern is no regular expression: {error}")
    return found


def criteria_of(params: dict[str, Any]) -> SplitCriteria:
    weights, others = _weights(params, "expect"), _weights(params, "others")
    pattern, other = params["version_pattern"], " and ".join(others)
    return SplitCriteria(
        pattern=re.compile(pattern) if pattern else version_pattern(weights),
        versions_required=bool(pattern),
        weights=weights | ({other: sum(others.values())} if others else {}),
        other=other,
        confidence=params["confidence"],
        statuses=frozenset(params["expect_status"]),
        max_errors=params["max_errors"],
    )


def as_result(criteria: SplitCriteria, split: Split) -> dict[str, Any]:
    return {
        "ok": not problems(criteria, split),
        "table": table(criteria, split),
        "requests": split.asked,
        "versions": {
            share.version: {
                "requests": share.requests,
                "share": share.share,
                "weight": share.weight,
                "low": share.expected.low if share.expected else None,
                "high": share.expected.high if share.expected else None,
                "p_value": share.p_value,
                "ok": share.ok,
            }
            for share in split.shares
        },
        "unknown": split.unknown,
        "errors": dict(split.errors),
        "error_count": split.error_count,
        "error_samples": list(split.samples),
        "statuses": {str(status): count for status, count in split.statuses.items()},
        "latency_ms": {name: round(seconds * 1000, 3) for name, seconds in split.latency.items()},
        "reconnects": split.reconnects,
    }


def run(params: dict[str, Any], target: ProbeTarget, check_mode: bool) -> dict[str, Any]:
    """Wait for the first good answer where that is asked for, then send the requests: the module's result."""
    criteria = criteria_of(params)
    waited = 0.0
    if check_mode or params["wait_timeout"]:
        timeout = 0.0 if check_mode else params["wait_timeout"]
        first, waited = wait_for_answer(target, partial(is_success, criteria), timeout)
        if not is_success(criteria, first):
            return _unanswered(criteria, target, first, waited)
    started = monotonic()
    answers = probe(target, params["requests"], params["concurrency"], params["deadline"])
    duration = monotonic() - started
    split = split_of(criteria, answers, params["requests"])
    wrong = problems(criteria, split)
    msg = f"{plural(split.asked, 'request')} to {target.url} in {duration:.1f} s: {'; '.join(wrong) or summary(split)}"
    if wrong:
        msg += "; the playbook progressive.istio.doctor says what is wrong in the cluster"
    return {**as_result(criteria, split), "msg": msg, "duration": round(duration, 3), "waited": round(waited, 3)}


def _unanswered(criteria: SplitCriteria, target: ProbeTarget, last: ProbeAnswer, waited: float) -> dict[str, Any]:
    split = split_of(criteria, [last], 1)
    when = f" within {waited:.1f} s" if waited >= 0.1 else ""
    msg = (
        f"{target.url} gave no good answer{when}; the last one was {split.samples[0]}; "
        "see whether the address is right, the gateway and its pods are ready, and the route's hosts match"
    )
    return {**as_result(criteria, split), "ok": False, "msg": msg, "duration": 0.0, "waited": round(waited, 3)}


def _headers(params: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in params["headers"].items()}


def _weight(value: Any) -> float | None:
    weight = number(value)
    return weight if weight is not None and 0 <= weight < inf else None


def _weights(params: dict[str, Any], option: str) -> dict[str, float]:
    return {str(name): _weight(weight) or 0.0 for name, weight in params[option].items()}


def answer(call: Call) -> dict[str, Any]:
    params = call.params
    if found := mistakes(params):
        return {"failed": True, "msg": "; ".join(found)}
    try:
        target = target_of(
            params["url"],
            _headers(params),
            timeout=params["timeout"],
            keepalive=params["keepalive"],
            validate_certs=params["validate_certs"],
            ca_path=params["ca_path"],
        )
    except (OSError, SSLError) as error:
        return {"failed": True, "msg": f"ca_path {params['ca_path']} cannot be used: {error}"}
    result = run(params, target, call.check_mode)
    if result["ok"] or not call.check_mode:
        return {**result, "failed": not result["ok"]}
    return {**result, "msg": f"check mode, so no failure: {result['msg']}"}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
