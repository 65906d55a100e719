#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canaries
version_added: 1.1.0
short_description: Move many canaries at once
description:
  - Does for many services of one cluster what M(progressive.istio.canary) does for one, side by side in one process.
    Each canary is read, checked, moved and proven as it is there. The failure of one changes nothing for the others.
  - What they read at the same time is read once for all, from the API server and from each proxy. So a call for many
    takes little longer than one for a single service.
  - It takes at most one step of each canary and watches none. To judge canaries while they soak, use
    M(progressive.istio.canary).
extends_documentation_fragment:
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
  - progressive.istio.auth
attributes:
  check_mode:
    support: full
    details:
      - The patches are sent to the API server as a dry run, so that its admission checks run too.
  diff_mode:
    support: full
    details:
      - One diff for each canary that was moved.
  idempotent:
    support: partial
    details:
      - O(state=advanced) takes another step each time, once the previous one has soaked.
options:
  canaries:
    description:
      - The canaries, each with options of M(progressive.istio.canary), of which C(name), C(stable) and C(canary) are
        required. C(weight) is required for O(state=weighted).
      - Options of this module cannot be set for one of them, nor can C(watch), C(drain), C(analysis) and C(samples).
      - A mistake in one of them refuses the call before anything is written, but for O(state=rolled_back), where the
        others are rolled back.
    type: list
    elements: dict
    required: true
  state:
    description: What is done with all of them, as O(progressive.istio.canary#module:state).
    type: str
    choices: [weighted, advanced, rolled_back, held]
    required: true
  max_in_flight:
    description: How many are moved at the same time.
    type: int
    default: 60
  max_failures:
    description:
      - How many may fail, as a number or as a percentage such as V(10%), rounded down. Once more have failed, no other
        canary is begun. Those that are under way end.
      - The default is that all are tried. A rollback always tries all.
    type: raw
  on_max_failures:
    description: What to do with those that were moved in this call when more have failed than may.
    type: str
    choices: [hold, rollback]
    default: hold
  run:
    description: The run that a call belongs to. Set by the action plugin.
    type: dict
    suboptions:
      id:
        description: The same for all calls.
        type: str
        required: true
      who:
        description: The user or job, for others to read. The default is the account.
        type: str
      host:
        description: Machine of the caller. The default is the one where the module runs.
        type: str
      pid:
        description: Process of the caller. The default is that of the module.
        type: int
      boot:
        description: Which boot of which machine C(pid) belongs to, as in C(/proc/sys/kernel/random/boot_id).
        type: str
      pid_namespace:
        description: The pid namespace of C(pid).
        type: str
      start:
        description: When the process began, in the unit of C(/proc/PID/stat).
        type: str
seealso:
  - module: progressive.istio.canary
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Roll back whatever else fails
  progressive.istio.canaries:
    state: rolled_back
    canaries:
      - {name: pong-server-virtual-service, namespace: default, stable: v1, canary: v2}

- name: Give each its share, and take all back if more than a tenth fail
  progressive.istio.canaries:
    state: weighted
    max_failures: 10%
    on_max_failures: rollback
    canaries:
      - name: pong-server-virtual-service
        namespace: default
        stable: v1
        canary: v2
        weight: 20
        confirm: true
"""

RETURN = r"""
msg:
  description: How many were moved, failed and were not begun, and the reasons of the first failures.
  returned: always
  type: str
  sample: "58 of 60 canaries moved, 2 failed; VirtualService shop/cart does not exist in context kind-canary"
results:
  description:
    - The result of each canary in the order of O(canaries), with the return values of M(progressive.istio.canary) but
      C(api_requests), and C(failed). With O(state=rolled_back) those with a mistake are left out.
    - One that was not begun has C(skipped), and one that was moved and rolled back by O(on_max_failures) has C(undone).
  returned: unless the call was refused
  type: list
  elements: dict
stopped:
  description: Whether more canaries failed than O(max_failures).
  returned: unless the call was refused
  type: bool
  sample: false
mistakes:
  description: All mistakes in the options.
  returned: if there are any
  type: list
  elements: str
  sample: ["canary 2 (shop/cart): weight is '10%': it must be a whole number from 0 to 100"]
context:
  description: The context of the kubeconfig that was used, the URL of the API server, or C(in-cluster).
  returned: unless the call was refused
  type: str
  sample: kind-canary
server:
  description: URL of the API server.
  returned: unless the call was refused
  type: str
  sample: https://127.0.0.1:6443
api_requests:
  description: How many requests were sent to the API server for all of them.
  returned: unless the call was refused
  type: int
  sample: 150
"""
from ..module_utils._common.module import serve
from ..module_utils._fleet.many import SPEC, answer


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
