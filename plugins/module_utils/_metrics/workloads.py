# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version the requests in Istio's series went to, by the workload that the series name. Pure.

The series name no subset, but the pod's workload, its namespace and its revision: a label of the pod, which need not
be the one that the subsets select by. So the pods of a subset tell its workloads. A version may have several workloads,
and a workload may have pods of two versions, which only the revision can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._k8s.owners import workload_of
from .._k8s.selectors import includes, labels_of

WORKLOAD_NAME = "service.istio.io/workload-name"  # a label that overrides the name
REVISIONS = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")  # in Istio's order
DEFAULT_REVISION = "latest"


class Workload(NamedTuple):
    """The workload that answered, as Istio's series name it. An empty part is unknown."""

    name: str = ""
    namespace: str = ""
    revision: str = ""


NO_WORKLOAD = Workload()  # no pod was chosen


@dataclass(frozen=True)
class WorkloadVersions:
    """The workloads of each version."""

    versions: Mapping[str, frozenset[Workload]]

    def version_of(self, seen: Workload) -> str:
        """The version that a workload belongs to; empty if it is none of these, or ambiguous."""
        found = self._candidates(seen)
        return found[0] if len(found) == 1 else ""

    def shared(self, seen: Iterable[Workload]) -> list[Workload]:
        """The workloads that may belong to more than one version."""
        return sorted({each for each in seen if len(self._candidates(each)) > 1})

    def with_pods(self, pods: WorkloadVersions) -> WorkloadVersions:
        """The same, with the workloads of further pods."""
        return WorkloadVersions(
            {name: known | pods.versions.get(name, frozenset()) for name, known in self.versions.items()}
        )

    def _candidates(self, seen: Workload) -> list[str]:
        """The versions with a workload that matches exactly, or else all but its revision."""
        exact = [name for name, known in self.versions.items() if any(_agree(each, seen) for each in known)]
        place = seen._replace(revision="")
        return exact or [name for name, known in self.versions.items() if any(_agree(each, place) for each in known)]


def workload_versions(
    versions: Mapping[str, Mapping[str, str]], pods: Iterable[Mapping[str, Any]] | None
) -> WorkloadVersions:
    """The workloads of the pods that have the labels of each version.

    A version without pods has the revision that its label `version`, or else its name, says.
    """
    known = list(pods or ())
    found = {}
    for name, labels in versions.items():
        own = frozenset(_workload(pod) for pod in known if includes(labels, labels_of(pod)))
        found[name] = own or frozenset({Workload(revision=labels.get("version", name))})
    return WorkloadVersions(found)


def _workload(pod: Mapping[str, Any]) -> Workload:
    labels = labels_of(pod)
    revision = next((labels[key] for key in REVISIONS if key in labels), DEFAULT_REVISION)
    return Workload(labels.get(WORKLOAD_NAME) or workload_of(pod), pod["metadata"].get("namespace", ""), revision)


def _agree(one: Workload, other: Workload) -> bool:
    """Whether they are equal in all parts that both have, of which one is the name or the revision."""
    common = [(ours, theirs) for ours, theirs in zip(one, other, strict=True) if ours and theirs]
    comparable = bool((one.name and other.name) or (one.revision and other.revision))
    return comparable and all(ours == theirs for ours, theirs in common)
