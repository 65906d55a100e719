# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role writes of an Istio object: a new one, or what is missing in an existing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Object = dict[str, Any]

API_VERSION = "networking.istio.io/v1"
MANAGED_BY = {"app.kubernetes.io/managed-by": "progressive.istio"}


class NotOurs(ValueError):
    """One sentence: which object cannot be used without a change that is not ours, why, and what to do."""


@contextmanager
def about(kind: str, namespace: str, name: str) -> Iterator[None]:
    """Name the object in what is refused meanwhile."""
    try:
        yield
    except NotOurs as refused:
        raise NotOurs(f"{kind} {namespace}/{name}: {refused}") from None


def objects_of(found: Mapping[str, Any], kind: str) -> list[Object]:
    """The objects that kubernetes.core.k8s_info found."""
    if not found.get("api_found", True):
        raise NotOurs(
            f"the cluster serves no {kind} of {API_VERSION}: is Istio 1.22 or newer installed? "
            "Install it with 'istioctl install', or by the role progressive.istio.istio with istio_install=true"
        )
    return list(found["resources"])


def named(objects: list[Object], name: str) -> Object | None:
    """The object of that name."""
    return next((one for one in objects if one["metadata"]["name"] == name), None)


def new(kind: str, name: str, namespace: str, spec: Object) -> Object:
    """A whole object, labelled as made by this collection, so that teardown recognizes it."""
    metadata = {"name": name, "namespace": namespace, "labels": MANAGED_BY}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def is_managed(one: Mapping[str, Any]) -> bool:
    """Whether this collection made the object, and no controller did, which may have copied the label."""
    metadata = one["metadata"]
    labels = metadata.get("labels") or {}
    controlled = any(owner.get("controller") for owner in metadata.get("ownerReferences") or [])
    return not controlled and all(labels.get(key) == value for key, value in MANAGED_BY.items())


def not_ours(change: str, remedy: str) -> str:
    """Why an object of others cannot be used: what would have to change in it, and what to do instead."""
    label = ", ".join(f"{key}={value}" for key, value in MANAGED_BY.items())
    return (
        f"this collection did not make it (it has no label {label}), so it stays as it is, and {change} "
        f"would have to change: {remedy}"
    )


def changed(kind: str, current: Object, spec: Object, remedy: str = "") -> Object | None:
    """The fields to write into an existing object, or None if it has them all.

    A merge patch replaces lists whole, so the write is bound to the version that the lists were read from.
    An object of others is refused with the remedy.
    """
    missing_fields = [field for field, value in spec.items() if current["spec"].get(field) != value]
    if not missing_fields:
        return None
    if not is_managed(current):
        raise NotOurs(not_ours(" and ".join(f"its {field}" for field in missing_fields), remedy))
    metadata = {field: current["metadata"][field] for field in ("name", "namespace", "resourceVersion")}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def missing(present: list[str], wanted: list[str]) -> list[str]:
    """What has to be added; nothing if a wildcard is there already."""
    return [] if "*" in present else [one for one in wanted if one not in present]
