#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary_info
version_added: 1.0.0
short_description: Read the state of a canary
description:
  - Reads everything about a canary at once, which is the weights, the phase and step of the release, the lease holder,
    when the next step is due and what prevents it, the ready pods of each version, and problems.
  - A VirtualService that does not exist is a result, not a failure, so that one playbook can ask about many services.
extends_documentation_fragment:
  - progressive.istio.target
  - progressive.istio.target.followers
  - progressive.istio.attributes.info
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
  - progressive.istio.auth
options:
  stable:
    description:
      - Subset or Service of the stable version. Give it together with O(canary).
      - The default is that of the present release, or else the first of the two destinations of the route.
    type: str
  canary:
    description:
      - Subset or Service of the canary. Give it together with O(stable).
      - The default is that of the present release, or else the second of the two destinations of the route.
    type: str
  playbook_options:
    version_added: 1.1.0
    description:
      - Options with which C(ansible-playbook) finds this service, such as C(-i hosts.yml --limit pong).
      - With them a message that asks for something names the command of a playbook, without them an option of
        M(progressive.istio.canary).
    type: str
  prometheus:
    description:
      - The Prometheus to read the counts of each weight from, see RV(counted).
      - The suboptions are those of O(progressive.istio.canary#module:analysis.prometheus).
    type: dict
    version_added: 1.1.0
    suboptions:
      url:
        description: Its URL, from where the module runs. It must be given.
        type: str
      reporter:
        description: Whose metrics count, V(source) for the gateways and callers or V(destination) for the sidecars.
        type: str
        choices: [source, destination]
        default: source
      headers:
        description: Headers of each request. Their values are never shown.
        type: dict
      bearer_token:
        description: A token to log in with. It is never shown.
        type: str
      ca_cert:
        description: Path of the certificates of the authority that signed the server's certificate.
        type: path
      validate_certs:
        description: Whether the server's certificate is checked.
        type: bool
        default: true
      timeout:
        description: Seconds for one request.
        type: float
        default: 5
requirements:
  - Istio 1.22 or newer in the cluster
seealso:
  - module: progressive.istio.canary
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Read the state of the canary
  progressive.istio.canary_info:
    name: pong-server-virtual-service
  register: pong

- name: Show it
  ansible.builtin.debug:
    msg: "{{ pong.summary }}"
"""

RETURN = r"""
exists:
  description: Whether the VirtualService exists and has the route.
  returned: success
  type: bool
  sample: true
summary:
  description: All of it in one sentence.
  returned: success
  type: str
  sample: >-
    default/pong-server-virtual-service: v1 80 %, v2 20 %, progressing, step 2 of 4 since 2026-01-31T12:00:00Z;
    ready pods: v1 1 of 1, v2 1 of 1; next: v2 at 20 % (step 2 of 4) soaks until 2026-01-31T12:01:00Z, 42 s from now
name:
  description: Name of the VirtualService.
  returned: success
  type: str
  sample: pong-server-virtual-service
namespace:
  description: Its namespace.
  returned: success
  type: str
  sample: default
problems:
  description: What is wrong, one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
stable:
  description: Subset or Service of the stable version.
  returned: if it exists
  type: str
  sample: v1
canary:
  description: Subset or Service of the canary.
  returned: if it exists
  type: str
  sample: v2
weights:
  description:
    - Percentage of all requests of the rule by version, as the VirtualService has it, rounded to two digits.
    - A further destination of the rule is named by its host, or by its subset if it has the same host.
  returned: if it exists
  type: dict
  sample: {v1: 80, v2: 20}
routes:
  description: The routes that a release moves, by name or number.
  returned: if it exists
  type: list
  elements: str
  version_added: 1.1.0
  sample: [primary]
destination_host:
  description: The host of the two destinations, or the first one's where each version is a Service.
  returned: if it exists
  type: str
  sample: pong-server-service.default.svc.cluster.local
gateways:
  description: The Gateways of the VirtualService, and C(mesh) for the sidecars of callers.
  returned: if it exists
  type: list
  elements: str
  version_added: 1.1.0
  sample: [pong-server-gateway]
virtual_services:
  description: What each VirtualService has, the leader first, where several move together.
  returned: if several move together
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    routes:
      description: The HTTP routes of it that move, by name or number.
      type: list
      elements: str
    weights:
      description: Percentage by version, of the route in it that has the most for the canary.
      type: dict
  sample:
    - {name: pong, namespace: shop, routes: [primary], weights: {v1: 80, v2: 20}}
    - {name: pong-mesh, namespace: shop, routes: [number 1], weights: {v1: 80, v2: 20}}
phase:
  description:
    - The phase of the release, one of C(none), C(progressing), C(paused), C(held), C(promoted), C(rolled_back),
      C(weighted) and C(unreadable).
    - Where a run has ended between two writes to VirtualServices that move together, it is C(spreading) or, on the way
      back, C(partial).
  returned: if it exists
  type: str
  sample: progressing
finished:
  description: Whether the canary has all requests and the release has ended.
  returned: if it exists
  type: bool
  sample: false
step:
  description: Number of the present step, C(0) before the first.
  returned: if there is a release
  type: int
  sample: 2
steps:
  description: Weights of all steps.
  returned: if there is a release
  type: list
  elements: int
  sample: [5, 20, 50, 100]
since:
  description: When the present weight or phase was reached, UTC.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:00:00Z"
until:
  description: When the weight may be raised again, UTC. Null if it does not depend on time.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:01:00Z"
next_weight:
  description: The weight of the next step. Null if the release has ended or waits for an operator.
  returned: if it exists
  type: int
  sample: 50
next:
  description:
    - What O(progressive.istio.canary#module:state=advanced) would do now. Null if there are no steps.
  returned: if it exists
  type: str
  sample: v2 at 20 % (step 2 of 4) soaks until 2026-01-31T12:01:00Z, 42 s from now
holder:
  description: The run that holds the lease, null if there is none.
  returned: if it exists
  type: dict
  sample:
    who: ci
    host: runner-7
    pid: 4711
    since: "2026-01-31T11:59:00Z"
    until: "2026-01-31T12:01:30Z"
    alive: true
verdict:
  description: The last verdict on the present weight, null if there is none.
  returned: if it exists
  type: dict
  sample: null
history:
  description: The last transitions, oldest first.
  returned: if it exists
  type: list
  elements: dict
  sample:
    - at: "2026-01-31T12:00:00Z"
      event: advanced
      canary: v2
      weight: 20
      why: "step 2 of 4: from 5 to 20 %"
      by: ci
counted:
  description:
    - What Prometheus has counted for each weight of the canary's last attempt in RV(history), for at most its first
      hour, in the form of RV(progressive.istio.canary#module:judged), without a verdict and C(unattributed).
    - If Prometheus cannot be asked, a warning says why and the list is empty.
  returned: if O(prometheus) is given and there is a release
  type: list
  elements: dict
  sample: []
versions:
  description:
    - What runs each version, by its name. C(ready) of its C(total) pods are ready and in the mesh.
    - C(deployments) are the names of its Deployments, none where they may not be read. C(images) are those of its
      containers, without Istio's.
    - In C(troubles) is what is wrong with its pods, one sentence each.
  returned: if it exists
  type: dict
  sample:
    v1:
      {ready: 1, total: 1, deployments: [pong-server-deployment], images: ["shop/pong:1"], troubles: []}
    v2:
      {ready: 1, total: 1, deployments: [pong-server-v2], images: ["shop/pong:2"], troubles: []}
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
  sample: 4
"""

from typing import TYPE_CHECKING, Any

from ..module_utils._analysis.spec import PROMETHEUS
from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import Cluster, connect
from ..module_utils._release.hints import Hints
from ..module_utils._release.lease import has_ended, this_run
from ..module_utils._release.state import State
from ..module_utils._report.status import status_of
from ..module_utils._rollout.read import read
from ..module_utils._rollout.snapshot import FOLLOWERS_OPTION, ROUTES_OPTION, Refused, Snapshot, Target

if TYPE_CHECKING:  # not needed to run without Prometheus
    from ..module_utils._analysis.criteria import Criteria

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str"},
    "canary": {"type": "str"},
    "routes": ROUTES_OPTION,
    "virtual_services": FOLLOWERS_OPTION,
    "destination_host": {"type": "str"},
    "prometheus": {"type": "dict", "options": PROMETHEUS},
    "playbook_options": {"type": "str"},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS, "required_together": [("stable", "canary")]}


def answer(call: Call) -> dict[str, Any]:
    target = Target.of(call.params)
    try:
        criteria = _criteria(call.params["prometheus"])
        cluster = connect(call.params)
        status = _status(call, cluster, target, criteria)
    except (ClusterError, Refused) as error:
        return {"failed": True, "msg": str(error)}
    return {"changed": False, "name": target.name, "namespace": target.namespace, **status, **cluster.facts()}


def _criteria(prometheus: dict[str, Any] | None) -> Criteria | None:
    """Where Prometheus is, as the analysis has it; Refused with all mistakes in that."""
    if prometheus is None:
        return None
    from ..module_utils._analysis.criteria import InvalidCriteria, validate

    try:
        return validate({"source": "prometheus", "prometheus": prometheus})
    except InvalidCriteria as invalid:
        raise Refused(each.removeprefix("analysis.") for each in invalid.mistakes) from invalid


def _status(call: Call, cluster: Cluster, target: Target, criteria: Criteria | None) -> dict[str, Any]:
    try:
        snapshot = read(cluster, target, lenient=True)
    except Refused as refused:
        summary = f"{target.namespace}/{target.name}: {'; '.join(refused.mistakes)}"
        return {"exists": False, "problems": refused.mistakes, "summary": summary}
    holder = snapshot.state.holder if isinstance(snapshot.state, State) else None
    gone = holder is not None and has_ended(holder)
    status = status_of(snapshot, this_run(), gone, cluster.now(), Hints(call.params["playbook_options"]))
    return status | (_counted(call, cluster, snapshot, criteria) if criteria else {})


def _counted(call: Call, cluster: Cluster, snapshot: Snapshot, criteria: Criteria) -> dict[str, Any]:
    """What Prometheus has counted; a warning where it does not say."""
    if not isinstance(snapshot.state, State) or criteria.prometheus is None:
        return {}
    from ..module_utils._metrics.prometheus import Prometheus, PrometheusError
    from ..module_utils._watch.history import counted

    try:
        prometheus = Prometheus(criteria.prometheus)
        return {"counted": counted(prometheus, criteria, snapshot, snapshot.state, cluster.now())}
    except PrometheusError as error:
        call.warn(f"what was counted is not known: {error}")
        return {"counted": []}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
