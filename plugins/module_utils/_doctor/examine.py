# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis of a canary, from all that the cluster and the proxies show. It never writes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from .._common.shares import said
from .._common.text import plural
from .._istio.mesh import Focus, Mesh, Object, name_of
from .._istio.reader import read, read_own
from .._k8s.auth import ClusterError
from .._k8s.client import EVENT, POD, Cluster
from .._k8s.kubectl import show
from .._k8s.selectors import labels_of
from .._preflight.checks import Result, examine, findings, needs
from .._preflight.finding import ERROR, Finding
from .._proxy.attachment import proxies_in
from .._proxy.envoy_config import bound_rules
from .._proxy.fleet import Lagging, NotLive, Proxies, Unproven
from .._proxy.sync_status import fetch_status
from .._rollout.parse import parse
from .._rollout.snapshot import Refused, Snapshot, Target
from .._routing.hosts import service_of
from . import release
from .diagnosis import CAUSES, Diagnosis, problems, unseen
from .dry_run import dry_run
from .pods import UnreadyPods, unready_gateways, unready_versions

GATEWAY_LABEL = "istio"  # the usual label of gateway pods
PATIENCE = 3.0  # seconds to wait for proxies: longer than istiod needs to push, and a proxy to reject it
GLANCE = 0.5  # the same if it is known already why they lag

Scope = Literal["all", "gateways", "none"]


def diagnose(
    cluster: Cluster, target: Target, skip: Collection[str] = (), scope: Scope = "all", playbook: str = ""
) -> tuple[Diagnosis, list[Result]]:
    """What is wrong with a canary, as far as the account may read it, and the results of all checks of the mesh.

    skip: names of checks. scope: the proxies to ask. playbook: the options by which playbooks find the service.
    """
    mesh = _mesh(cluster, target, skip)
    results = examine(mesh, skip)
    found = [_with_command(cluster, mesh, finding) for finding in findings(results)]
    missing = unseen(results)
    unready = [*unready_versions(mesh, cluster.now()), *unready_gateways(mesh, cluster.now())]
    status = f"{plural(sum(not each.skipped for each in results), 'check')} of the mesh"
    virtual_service = next(iter(mesh.focused()), None)
    try:
        snapshot = replace(parse(target, virtual_service), mesh=mesh) if virtual_service else None
    except Refused as error:
        snapshot = None
        if virtual_service:
            found.append(release.unfound(target, error.mistakes, virtual_service))
    if snapshot:
        of_state = list(release.of_release(snapshot, playbook, cluster.now()))
        found += of_state
        step = dry_run(cluster, target, skip)
        known = {(each.check, each.place) for each in found}
        found += [each for each in step.found if (each.check, each.place) not in known]
        if step.mistakes and not any(each.severity == ERROR for each in of_state):  # which reject a step, too
            found.append(release.refused(snapshot, step.mistakes))
        missing += step.unseen
        status = f"{said(snapshot.all_shares)}; {status}"
        if scope != "none":
            live, lagging, unproven = _proxies(cluster, snapshot, scope, _patience(found, unready))
            found += lagging
            missing += unproven
            status += f", {live}" if live else ""
    events, unread_events = _events(cluster, unready)
    place = f"VirtualService {target.namespace}/{target.name} in {cluster.context}"
    unknown = (*missing, *unread_events)
    return Diagnosis(place, cluster.now(), status, problems(found, unready, events), unknown), results


def _mesh(cluster: Cluster, target: Target, skip: Collection[str]) -> Mesh:
    """All relevant objects of the cluster; only those of the namespace if the account may not list others."""
    service = service_of(target.destination_host, target.namespace) if target.destination_host else None
    focus = Focus(target.namespace, target.name, service, target.canary)
    try:
        return read(cluster, focus, needs(skip))
    except ClusterError as error:
        if error.status != 403:
            raise
        return read_own(cluster, focus, str(error))


def _patience(found: list[Finding], unready: list[UnreadyPods]) -> float:
    """Seconds to wait for proxies: few if it is known already why they lag."""
    known = {each.check for each in (*found, *(each.finding for each in unready))}
    return GLANCE if known & (CAUSES[release.WEIGHTS_LIVE] | CAUSES[release.SUBSETS_LIVE]) else PATIENCE


def _proxies(
    cluster: Cluster, snapshot: Snapshot, scope: Scope, patience: float
) -> tuple[str, list[Finding], list[str]]:
    """Where the route is live, what is wrong with the proxies, and what could not be asked."""
    attachment = snapshot.attachment
    wanted = [name for name, share in snapshot.shares.items() if share]
    try:
        service = next(iter(snapshot.mesh.services), None)
        scope = "gateways" if scope == "gateways" else "all"
        with Proxies(cluster, attachment, service=service, scope=scope) as proxies:
            try:
                proof = proxies.await_weights(bound_rules(snapshot.bindings), patience)
            except NotLive as error:
                return "", list(release.of_weights(snapshot, error.lagging)), []
            try:
                proxies.await_versions(map(snapshot.route.place, wanted), patience)
            except NotLive as error:
                return "", list(release.of_subsets(snapshot, error.lagging)), []
            sample = f" ({proof.extent.sample} asked)" if proof.extent.sample else ""
            live = f"live in {plural(len(proof.live), 'proxy', 'proxies')}{sample}"
        account = fetch_status(cluster)  # a proxy with the right weights may reject all other updates
        rejecting = [
            Lagging(proxy, "keeps what it had", account.why(proxy.namespace, proxy.pod), rejects=True)
            for proxy in (each.proxy for each in proof.live)
            if account.rejects(proxy.namespace, proxy.pod)
        ]
        missing = [f"what istiod reports about the proxies: {account.missing}"] if account.missing else []
        missing += [f"what a sidecar runs: {each}" for each in proof.extent.unanswered]
        return live, list(release.of_weights(snapshot, rejecting)), missing
    except Unproven as error:
        return "", [release.unproven(snapshot, str(error))], []
    except ClusterError as error:
        return "", [], [f"what the proxies run: {error}"]


def _events(cluster: Cluster, unready: list[UnreadyPods]) -> tuple[list[Object], list[str]]:
    """The events of the namespaces with such pods."""
    found: list[Object] = []
    for namespace in sorted({each.finding.namespace for each in unready}):
        try:
            found += cluster.list(EVENT, namespace)
        except ClusterError as error:
            return found, [f"the events of namespace {namespace}: {error}"]
    return found, []


def _with_command(cluster: Cluster, mesh: Mesh, finding: Finding) -> Finding:
    """The finding; if a Gateway selects no pod, with the label of the gateway that runs."""
    gateway = next((each for each in mesh.gateways if name_of(each) == (finding.namespace, finding.name)), None)
    if finding.check != "gateway_selector_matches" or gateway is None or mesh.gateway_pods(gateway):
        return finding
    try:
        pods = [pod for pod in cluster.list(POD, None, GATEWAY_LABEL) if proxies_in("gateway", [pod])]
    except ClusterError:
        return finding  # it is valid without this
    beside = [pod for pod in pods if name_of(pod).namespace == finding.namespace]
    labels = {labels_of(pod)[GATEWAY_LABEL] for pod in beside or pods}
    if len(labels) != 1:
        return finding
    command, runs = show("Gateway", gateway), f"{GATEWAY_LABEL}={labels.pop()}"
    return replace(finding, remedy=f"the gateway that runs has {runs}", command=command)
