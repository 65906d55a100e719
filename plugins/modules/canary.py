#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary
version_added: 1.0.0
short_description: Move requests from one version of a service to another
description:
  - Sets the two weights of an Istio VirtualService's HTTP route between a stable version and a canary.
  - Only those two weights and one annotation of this collection change, in one JSON patch that is applied whole or not
    at all. Whatever else is in the VirtualService stays as it is. If somebody else writes it at the same moment, it is
    read anew.
  - The annotation C(progressive.istio/canary) holds where the release stands. There is no other memory, so that any run
    on any machine can go on.
  - Nothing is written unless the pods that are to get more requests are ready and in the mesh, and everything that was
    named is there. All mistakes are reported at once.
extends_documentation_fragment:
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.auth
attributes:
  check_mode:
    support: full
    details:
      - The patch is sent to the API server as a dry run, so that its admission checks are asked too.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the VirtualService.
    type: str
    required: true
  namespace:
    description: Namespace of the VirtualService.
    type: str
    default: default
  stable:
    description: Subset of the version that serves now.
    type: str
    required: true
  canary:
    description: Subset of the version that is to take over.
    type: str
    required: true
  route:
    description:
      - Name of the HTTP route in the VirtualService.
      - The default is the one route that has destinations with the two subsets.
    type: str
  destination_host:
    description:
      - Host of the destinations, as in the VirtualService or in full.
      - It is needed only where one route leads to several services with subsets of these names.
    type: str
  state:
    description:
      - V(weighted) gives the canary exactly O(weight).
    type: str
    choices: [weighted]
    default: weighted
  weight:
    description:
      - Percentage of the requests that the canary gets, a whole number from 0 to 100. The stable version gets the rest.
      - In a route with further destinations it is the percentage of what those leave, for their weights stay as they
        are.
    type: raw
  confirm:
    description: Whether a person takes the responsibility to raise the weight of a canary that failed.
    type: bool
    default: false
  min_ready:
    description:
      - How many pods of a version must be ready before it gets more requests.
      - The default is in proportion to its share. To get half of the requests, half as many pods must be ready as the
        larger of the two versions has, and always at least one. Set it where the pods of the versions differ in size,
        or where an autoscaler makes them only when the requests come.
    type: int
  wait_timeout:
    description: Seconds to wait for these pods.
    type: int
    default: 120
requirements:
  - Istio 1.22 or newer in the cluster
seealso:
  - module: progressive.istio.traffic_probe
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Give v2 exactly 20 % of the requests
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    weight: 20

- name: See what would change
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    weight: 50
  check_mode: true
  diff: true
"""

RETURN = r"""
msg:
  description: What was done, or why there was nothing to do, and the weights as they are now.
  returned: always
  type: str
  sample: >-
    VirtualService default/pong-server-virtual-service, HTTP route primary: v2: from 0 to 20 % by hand;
    now v1 80 %, v2 20 %
weights:
  description: Percentages by version before and after the call.
  returned: success
  type: dict
  contains:
    before:
      description: Percentage by subset.
      type: dict
      returned: success
      sample: {v1: 100, v2: 0}
    after:
      description: Percentage by subset.
      type: dict
      returned: success
      sample: {v1: 80, v2: 20}
phase:
  description:
    - Where the release stands, one of C(none), C(progressing), C(paused), C(held), C(promoted), C(rolled_back),
      C(weighted) and C(damaged).
  returned: success
  type: str
  sample: weighted
step:
  description: Number of the step that is reached, C(0) before the first.
  returned: if there is a release
  type: int
  sample: 0
steps:
  description: Weights of all steps.
  returned: if there is a release
  type: list
  elements: int
  sample: []
since:
  description: When the present weight or phase was reached, UTC.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:00:00Z"
until:
  description: When the weight may be raised again, UTC. Null where no time is waited for.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:01:00Z"
finished:
  description: Whether the canary has all requests for good.
  returned: success
  type: bool
  sample: false
waits:
  description: Whether there is something to do, but its time has not come.
  returned: success
  type: bool
  sample: false
transitions:
  description: What was written, in order.
  returned: success
  type: list
  elements: dict
  sample:
    - event: weighted
      weights: {v1: 80, v2: 20}
      why: "v2: from 0 to 20 % by hand"
route:
  description: The HTTP route, by name or number.
  returned: success
  type: str
  sample: primary
destination_host:
  description: The host of the two destinations.
  returned: success
  type: str
  sample: pong-server-service.default.svc.cluster.local
mistakes:
  description: Everything that stands against the request, one sentence each.
  returned: failure
  type: list
  elements: str
  sample:
    - "weight is '10%': it must be a whole number from 0 to 100"
context:
  description: The context of the kubeconfig that was used, the URL of the API server, or C(in-cluster).
  returned: when the access is known
  type: str
  sample: kind-canary
server:
  description: URL of the API server.
  returned: when the access is known
  type: str
  sample: https://127.0.0.1:6443
api_requests:
  description: How many requests were sent to the API server.
  returned: when the access is known
  type: int
  sample: 6
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cluster import AUTH_ARGUMENTS, Cluster, ClusterError, connect, forget_path
from ..module_utils._identity import this_run
from ..module_utils._pipeline import Call, carry_out
from ..module_utils._plan import InvalidPlan, Plan, validate
from ..module_utils._release import Request, Want
from ..module_utils._report import diff_of, result_of
from ..module_utils._snapshot import Refused, Target, read

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str", "required": True},
    "canary": {"type": "str", "required": True},
    "route": {"type": "str"},
    "destination_host": {"type": "str"},
    "state": {"type": "str", "choices": ["weighted"], "default": "weighted"},
    "weight": {"type": "raw"},
    "confirm": {"type": "bool", "default": False},
    "min_ready": {"type": "int"},
    "wait_timeout": {"type": "int", "default": 120},
}
PLAN = ("stable", "canary", "weight")
TARGET = ("name", "namespace", "stable", "canary", "route", "destination_host", "min_ready")


def main() -> None:
    module = AnsibleModule(
        argument_spec=AUTH_ARGUMENTS | ARGUMENTS,
        required_if=[("state", "weighted", ("weight",))],
        supports_check_mode=True,
    )
    forget_path(module)
    cluster = None
    try:
        cluster = connect(module.params)
        target = Target(**{name: module.params[name] for name in TARGET})
        call = Call(
            cluster,
            target,
            _plan(module.params, cluster, target),
            _request(module.params),
            check=module.check_mode,
            patience=module.params["wait_timeout"],
        )
        outcome = carry_out(call)
    except Refused as refused:
        module.fail_json(msg=_listed(refused.mistakes), mistakes=refused.mistakes, **_access(cluster))
    except ClusterError as error:
        module.fail_json(msg=str(error), mistakes=[str(error)], **_access(cluster))
    for problem in outcome.snapshot.problems:
        module.warn(problem)
    difference = {"diff": diff_of(outcome)} if module._diff else {}
    module.exit_json(**result_of(outcome), **difference, **_access(cluster))


def _plan(params: dict[str, Any], cluster: Cluster, target: Target) -> Plan:
    """The plan, or Refused with the mistakes in it and those that the cluster knows."""
    try:
        return validate(**{name: params[name] for name in PLAN})
    except InvalidPlan as invalid:
        mistakes = list(invalid.mistakes)
    try:
        read(cluster, target)
    except Refused as refused:
        mistakes += refused.mistakes
    except ClusterError as error:
        mistakes.append(str(error))
    raise Refused(mistakes)


def _request(params: dict[str, Any]) -> Request:
    return Request(
        Want(params["state"]),
        this_run(params),
        weight=int(float(params["weight"])),
        confirm=params["confirm"],
    )


def _access(cluster: Cluster | None) -> dict[str, Any]:
    if cluster is None:
        return {}
    return {"context": cluster.context, "server": cluster.server, "api_requests": cluster.requests}


def _listed(mistakes: list[str]) -> str:
    if len(mistakes) == 1:
        return mistakes[0]
    numbered = "; ".join(f"({number}) {mistake}" for number, mistake in enumerate(mistakes, start=1))
    return f"{len(mistakes)} things stand against it: {numbered}"


if __name__ == "__main__":
    main()
