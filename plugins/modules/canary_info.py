#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary_info
version_added: 1.0.0
short_description: Read where a canary stands
description:
  - Reads everything about a canary at once, which is the weights, the phase and step of the release, who holds it and
    since when, when the next step is due and what stands against it, the ready pods of each version, and problems.
  - A VirtualService that does not exist is a result, not a failure, so that one playbook can ask about many services.
extends_documentation_fragment:
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.auth
attributes:
  check_mode:
    support: full
    details:
      - It only reads.
  diff_mode:
    support: none
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
    description:
      - Subset of the stable version. Give it together with O(canary).
      - The default is that of the release under way, else the first of the two destinations of the route.
    type: str
  canary:
    description:
      - Subset of the canary. Give it together with O(stable).
      - The default is that of the release under way, else the second of the two destinations of the route.
    type: str
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
requirements:
  - Istio 1.22 or newer in the cluster
seealso:
  - module: progressive.istio.canary
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: See where the canary stands
  progressive.istio.canary_info:
    name: pong-server-virtual-service
  register: pong

- name: Say it
  ansible.builtin.debug:
    msg: "{{ pong.summary }}"
"""

RETURN = r"""
exists:
  description: Whether there is such a VirtualService with such a route.
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
problems:
  description: What is wrong, one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
stable:
  description: Subset of the stable version.
  returned: if it exists
  type: str
  sample: v1
canary:
  description: Subset of the canary.
  returned: if it exists
  type: str
  sample: v2
weights:
  description: Percentage by subset, as the VirtualService has it.
  returned: if it exists
  type: dict
  sample: {v1: 80, v2: 20}
route:
  description: The HTTP route, by name or number.
  returned: if it exists
  type: str
  sample: primary
destination_host:
  description: The host of the two destinations.
  returned: if it exists
  type: str
  sample: pong-server-service.default.svc.cluster.local
phase:
  description:
    - Where the release stands, one of C(none), C(progressing), C(paused), C(held), C(promoted), C(rolled_back),
      C(weighted) and C(damaged).
  returned: if it exists
  type: str
  sample: progressing
finished:
  description: Whether the canary has all requests for good.
  returned: if it exists
  type: bool
  sample: false
step:
  description: Number of the step that is reached, C(0) before the first.
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
  description: When the weight may be raised again, UTC. Null where no time is waited for.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:01:00Z"
next_weight:
  description: What the next step sets. Null where the release is at its end or waits for a person.
  returned: if it exists
  type: int
  sample: 50
next:
  description:
    - What O(progressive.istio.canary#module:state=advanced) would do or meet now. Null where there are no steps.
  returned: if it exists
  type: str
  sample: v2 at 20 % (step 2 of 4) soaks until 2026-01-31T12:01:00Z, 42 s from now
holder:
  description: The run that works on the release, null if there is none.
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
  description: The last verdict about the present weight, null if there is none.
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
versions:
  description: The pods of each version.
  returned: if it exists
  type: dict
  sample:
    v1: {ready: 1, total: 1, troubles: []}
    v2: {ready: 1, total: 1, troubles: []}
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cluster import AUTH_ARGUMENTS, Cluster, ClusterError, connect, forget_path
from ..module_utils._identity import is_gone, this_run
from ..module_utils._release import State
from ..module_utils._snapshot import Refused, Target, read
from ..module_utils._status import status_of

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str"},
    "canary": {"type": "str"},
    "route": {"type": "str"},
    "destination_host": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=AUTH_ARGUMENTS | ARGUMENTS,
        required_together=[("stable", "canary")],
        supports_check_mode=True,
    )
    forget_path(module)
    given = {name: value for name in ARGUMENTS if (value := module.params[name])}
    try:
        cluster = connect(module.params)
        status = _status(cluster, Target(**given))
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **status, **cluster.facts())


def _status(cluster: Cluster, target: Target) -> dict[str, Any]:
    try:
        snapshot = read(cluster, target, lenient=True)
    except Refused as refused:
        summary = f"{target.namespace}/{target.name}: {'; '.join(refused.mistakes)}"
        return {"exists": False, "problems": refused.mistakes, "summary": summary}
    holder = snapshot.state.holder if isinstance(snapshot.state, State) else None
    gone = holder is not None and is_gone(holder.host, holder.pid)
    return status_of(snapshot, this_run(), gone, cluster.now())


if __name__ == "__main__":
    main()
