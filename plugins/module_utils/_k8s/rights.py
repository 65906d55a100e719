# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a move needs, and which of them the account lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .auth import ClusterError
from .client import ACCESS_REVIEW, DESTINATION_RULE, GATEWAY, POD, RULES_REVIEW, SERVICE, VIRTUAL_SERVICE, Cluster, Kind

LISTED = "docs/examples/permissions.yml has all that a move needs"


@dataclass(frozen=True)
class Right:
    """A verb on a kind. namespace: empty for all; name: of one object only; part: a subresource."""

    verb: str
    kind: Kind
    namespace: str
    name: str = ""
    part: str = ""  # such as portforward

    def __str__(self) -> str:
        what = f"{self.kind.plural}/{self.part}" if self.part else self.kind.plural
        where = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return f"{self.verb} {what} {f'{self.name} ' if self.name else ''}{where}"

    def is_granted(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule of a role grants it."""
        resources = {self.kind.plural, "*"}
        if self.part:
            resources = {f"{self.kind.plural}/{self.part}", f"*/{self.part}", "*"}
        names = rule.get("resourceNames") or []
        return bool(
            {self.verb, "*"} & set(rule.get("verbs") or [])
            and {self.kind.group, "*"} & set(rule.get("apiGroups") or [])
            and resources & set(rule.get("resources") or [])
            and (not names or self.name in names)
        )

    def attributes(self) -> dict[str, str]:
        """The right as a SelfSubjectAccessReview has it."""
        return {
            "verb": self.verb,
            "group": self.kind.group,
            "resource": self.kind.plural,
            "subresource": self.part,
            "namespace": self.namespace,
            "name": self.name,
        }


def of_a_move(namespace: str, name: str, service_namespace: str, *, watches: bool) -> list[Right]:
    """The rights to move the weights of a VirtualService. watches: with a soak."""
    verbs = ["get", "patch", *(["watch"] if watches else [])]
    rights = [Right(verb, VIRTUAL_SERVICE, namespace, name) for verb in verbs]
    rights += [Right("list", DESTINATION_RULE, each) for each in dict.fromkeys((namespace, service_namespace))]
    rights.append(Right("get", SERVICE, service_namespace))
    return rights + [Right(verb, POD, service_namespace) for verb in ["list", *(["watch"] if watches else [])]]


def of_a_proof(gateways: Iterable[str], proxies: Iterable[str]) -> list[Right]:
    """The rights to ask proxies. gateways, proxies: their namespaces."""
    rights = [Right("get", GATEWAY, each) for each in dict.fromkeys(gateways)]
    forwards = [
        Right(verb, POD, each, part="portforward") for each in dict.fromkeys(proxies) for verb in ("get", "create")
    ]
    return [*rights, Right("list", POD, ""), *forwards]


def missing(cluster: Cluster, rights: Iterable[Right]) -> list[Right]:
    """Those that the account lacks by the API server; none if it may not ask."""
    wanted = list(rights)
    try:
        rules = {each: _rules(cluster, each) for each in dict.fromkeys(right.namespace for right in wanted) if each}
        return [
            right
            for right in wanted
            if not any(right.is_granted(rule) for rule in rules.get(right.namespace, ())) and not _may(cluster, right)
        ]
    except ClusterError:  # the requests themselves will be refused then
        return []


def _rules(cluster: Cluster, namespace: str) -> list[Mapping[str, Any]]:
    """The rules of the account in a namespace, as far as the API server knows them."""
    status = cluster.review(RULES_REVIEW, {"namespace": namespace})
    return list(status.get("resourceRules") or [])


def _may(cluster: Cluster, right: Right) -> bool:
    status = cluster.review(ACCESS_REVIEW, {"resourceAttributes": right.attributes()})
    return bool(status.get("allowed"))
