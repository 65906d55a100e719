# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to this collection: it may change in any release.
"""Which version a request went to that Istio's series count, by the workload that they name. Pure.

Istio knows no subsets there: it names the workload of the pod that was asked, its namespace, and its revision, which is
a label of the pod that need not be the one that tells the subsets apart. So the pods of a subset say which workloads
are its own. A version may have several; one workload with pods of two versions, which only the revision may tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._k8s.owners import workload_of
from .._k8s.selectors import includes, labels_of

WORKLOAD_NAME = "service.istio.io/workload-name"  # a label that overrides the name
REVISIONS = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")  # as Istio looks for it
DEFAULT_REVISION = "latest"


class Workload(NamedTuple):
    """What served a request, as Istio's series name it. An empty part is one that they do not tell."""

    name: str = ""
    namespace: str = ""
    revision: str = ""


NO_WORKLOAD = Workload()  # no pod was asked


@dataclass(frozen=True)
class WorkloadVersions:
    """versions: the workloads of each version's pods."""

    versions: Mapping[str, frozenset[Workload]]

    def version_of(self, seen: Workload) -> str:
        """The version that a workload serves; empty if that is none of these, or cannot be told from another one."""
        found = self._candidates(seen)
        return found[0] if len(found) == 1 else ""

    def shared(self, seen: Iterable[Workload]) -> list[Workload]:
        """Those workloads that may serve more than one of the versions."""
        return sorted({each for each in seen if len(self._candidates(each)) > 1})

    def with_pods(self, pods: WorkloadVersions) -> WorkloadVersions:
        """The same, with workloads that have come meanwhile."""
        return WorkloadVersions(
            {name: known | pods.versions.get(name, frozenset()) for name, known in self.versions.items()}
        )

    def _candidates(self, seen: Workload) -> list[str]:
        """The versions whose workloads agree in most of what the series tell: all, or else all but the revision."""
        exact = [name for name, known in self.versions.items() if any(_agree(each, seen) for each in known)]
        place = seen._replace(revision="")
        return exact or [name for name, known in self.versions.items() if any(_agree(each, place) for each in known)]


def workload_versions(
    versions: Mapping[str, Mapping[str, str]], pods: Iterable[Mapping[str, Any]] | None
) -> WorkloadVersions:
    """By the pods that carry the labels of each version.

    versions: the labels of each. A version without a pod is known by its label `version` or by its name, as far as the
    series tell nothing better.
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
    """Whether they agree in all that both tell, and that is a name or a revision at least."""
    told = [(ours, theirs) for ours, theirs in zip(one, other, strict=True) if ours and theirs]
    tells = bool((one.name and other.name) or (one.revision and other.revision))
    return tells and all(ours == theirs for ours, theirs in told)
