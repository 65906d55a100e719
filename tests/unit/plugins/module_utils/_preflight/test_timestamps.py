# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._preflight.timestamps import (
    Timestamp,
    created,
    earliest,
    latest,
    turned,
    written,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 31, 13, tzinfo=UTC)


def entry(manager: str, time: str | None, **fields: Any) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": fields} | ({"time": time} if time else {})


def thing(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "pong", "managedFields": list(entries)}}


HOSTS = {"f:spec": {"f:hosts": {}}}
HTTP = {"f:spec": {"f:http": {}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry("site", "2026-01-31T12:00:00Z", **HOSTS)], Timestamp(NOON, "site wrote spec.hosts")),
        (
            [entry("site", "2026-01-31T12:00:00Z", **HOSTS), entry("me", "2026-01-31T13:00:00Z", **HOSTS)],
            Timestamp(LATER, "me wrote spec.hosts"),
        ),
        (
            [entry("site", "2026-01-31T12:00:00Z", **HOSTS), entry("me", "2026-01-31T13:00:00Z", **HTTP)],
            Timestamp(NOON, "site wrote spec.hosts"),
        ),
        ([entry("", "2026-01-31T12:00:00Z", **HOSTS)], Timestamp(NOON, "unknown wrote spec.hosts")),
        ([entry("kubectl", None, **HOSTS)], None),
        ([entry("site", "2026-01-31T12:00:00Z", **HTTP)], None),
        ([], None),
    ],
    ids=["its owner", "the last owner", "other fields", "nameless", "no time", "nobody's", "no entries"],
)
def test_a_field_was_written_when_its_last_owner_wrote(
    entries: list[dict[str, Any]], expected: Timestamp | None
) -> None:
    assert written(thing(*entries), "spec", "hosts") == expected


def test_what_may_have_gone_since_makes_it_a_bound() -> None:
    found = written(thing(entry("site", "2026-01-31T12:00:00Z", **HOSTS)), "spec", "hosts", later=True)
    assert found is not None
    assert found.later


def test_objects_and_conditions() -> None:
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-31T13:00:00Z"}, {"type": "Other"}]
    pod = {"metadata": {"creationTimestamp": "2026-01-31T12:00:00Z"}, "status": {"conditions": conditions}}
    assert created(pod, "pod a") == Timestamp(NOON, "pod a was created")
    assert turned(pod, "Ready", "pod a") == Timestamp(LATER, "condition Ready of pod a")
    assert (turned(pod, "Other", "pod a"), turned({}, "Ready", "pod a")) == (None, None)
    assert created({"metadata": {}}, "pod a") is None


def test_of_several() -> None:
    one, other = Timestamp(NOON, "one"), Timestamp(LATER, "other")
    assert (latest(one, other), earliest(other, None, one)) == (other, one)
    assert (latest(one, None), latest(), earliest(None)) == (None, None, None)
