#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary_doctor
version_added: 1.1.0
short_description: Say what is wrong with a canary, since when, and which command mends it
description:
  - Checks all rules of M(progressive.istio.mesh_info), looks at the pods of the versions and of the gateways and at the
    events of those that are not ready, reads the state of the release, and asks each proxy which weights it runs.
  - From all that it makes a short list. Each cause is told once, with the object, since when it is so as far as any
    object tells it, and a command. It fixes that where one change of an object of the service does; where it is
    the object of others, or where pods that serve would stop, it shows what has to be decided on.
  - It also tries, without sending anything, whether M(progressive.istio.canary) would take a step.
  - What only follows from a cause is not told as another one.
  - It does not fail on what it finds, but returns it. What it may not read it names, and goes on with the rest.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.checks
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
      - The subset that has the requests before a release, as M(progressive.istio.canary) is given it.
      - The default is that of the release, or else the first of the two versions that one route has.
    type: str
  canary:
    description:
      - The subset that is released. It goes with O(stable).
    type: str
  destination_host:
    description:
      - The host of the destinations, where the route has several.
    type: str
  min_ready:
    description:
      - How many ready pods a version needs to take all requests, as M(progressive.istio.canary) is given it.
    type: int
  route:
    description:
      - Name of the HTTP route in the VirtualService.
      - The default is the one route that has destinations with the two versions.
    type: str
  proof:
    description: Which proxies are asked. V(none) asks nobody.
    type: str
    choices: [all, gateways, none]
    default: all
  playbook_options:
    description:
      - What C(ansible-playbook) needs to find this service again, such as C(-i hosts.yml --limit pong).
      - It is written into those of the commands that are playbooks.
    type: str
    default: ""
notes:
  - If the VirtualService may not be read, the module fails.
seealso:
  - module: progressive.istio.mesh_info
  - module: progressive.istio.canary_info
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Look for what is wrong
  progressive.istio.canary_doctor:
    name: pong-server-virtual-service
    namespace: default
  register: doctor

- name: Show it, in colour on a terminal
  progressive.istio.show:
    lines: "{{ doctor.lines }}"

- name: Fail if something is wrong
  ansible.builtin.assert:
    that: doctor.ok
    fail_msg: "{{ doctor.msg }}"
"""

RETURN = r"""
msg:
  description: What is wrong, or that nothing is, in one sentence.
  returned: success
  type: str
  sample: >-
    1 thing is wrong with VirtualService default/pong-server-virtual-service in kind-canary: Deployment
    default/pong-server-v2 has no pod and gets 20 % of the requests: Deployment pong-server-v2 is scaled to 0
ok:
  description: Whether nothing is wrong. Warnings do not count, nor does what could not be looked at.
  returned: success
  type: bool
  sample: false
complaints:
  description: Each cause once, errors first.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check that found it. Those of the mesh are what O(skip_checks) takes.
      type: str
    severity:
      description: C(error) or C(warning).
      type: str
    kind:
      description: Kind of the object.
      type: str
    namespace:
      description: Namespace of the object, empty if it has none.
      type: str
    name:
      description: Name of the object.
      type: str
    problem:
      description: What is wrong with it.
      type: str
    remedy:
      description: What to do.
      type: str
    command:
      description:
        - A command, ready to be pasted. It shows more, or changes one object that is the service's own.
        - Empty where there is none.
      type: str
    since:
      description: Since when it is so, UTC. Null where nothing tells it.
      type: str
    told_by:
      description: What tells since when, such as who wrote the field. Null where nothing does.
      type: str
    symptoms:
      description: What follows from it, one sentence each.
      type: list
      elements: str
    events:
      description:
        - The events of its pods, the newest first, each with C(at), C(reason), C(message), C(times) and C(about).
      type: list
      elements: dict
  sample:
    - check: pods_ready
      severity: error
      kind: Deployment
      namespace: default
      name: pong-server-v2
      problem: "has no pod and gets 20 % of the requests: Deployment pong-server-v2 is scaled to 0"
      remedy: "scale it up: kubectl scale deployment -n default pong-server-v2 --replicas=1"
      command: kubectl --context kind-canary scale deployment -n default pong-server-v2 --replicas=1
      since: "2026-01-31T12:00:00Z"
      told_by: kubectl wrote spec.replicas
      symptoms: []
      events: []
unseen:
  description: What could not be looked at, and why, one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
checks:
  description: Every check of the mesh with its result, as M(progressive.istio.mesh_info) returns it.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: gateway_exists, rule: Every Gateway that a VirtualService names exists., result: ok, skipped: ""}
lines:
  description: All of it as lines for a terminal, as M(progressive.istio.show) takes them.
  returned: success
  type: list
  elements: dict
  sample:
    - tone: ok
      text: >-
        Nothing is wrong with VirtualService default/pong-server-virtual-service in kind-canary: v1 80 %, v2 20 %;
        29 checks of the mesh, live in 1 proxy
context:
  description: The context of the kubeconfig that was used, the URL of the API server, or C(in-cluster).
  returned: success
  type: str
  sample: kind-canary
server:
  description: URL of the API server.
  returned: success
  type: str
  sample: https://127.0.0.1:6443
api_requests:
  description: How many requests were sent to the API server.
  returned: success
  type: int
  sample: 15
"""

import os
from functools import partial
from typing import Any

from ..module_utils._common.module import Module, answering
from ..module_utils._doctor.examine import ExaminationRequest, diagnose
from ..module_utils._doctor.report import lines, verdict
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import Cluster, connect
from ..module_utils._k8s.kubectl import on
from ..module_utils._preflight.checks import NAMES
from ..module_utils._rollout.read import Target

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str"},
    "canary": {"type": "str"},
    "destination_host": {"type": "str"},
    "min_ready": {"type": "int"},
    "route": {"type": "str"},
    "proof": {"type": "str", "choices": ["all", "gateways", "none"], "default": "all"},
    "playbook_options": {"type": "str", "default": ""},
    "skip_checks": {"type": "list", "elements": "str", "default": [], "choices": list(NAMES)},
}


def run(cluster: Cluster, params: dict[str, Any]) -> dict[str, Any]:
    """The diagnosis as data and as text."""
    target = Target(
        params["name"],
        params["namespace"],
        params["stable"] or "",
        params["canary"] or "",
        params["route"] or None,
        params["destination_host"] or None,
        params["min_ready"],
    )
    examination = diagnose(
        cluster, ExaminationRequest(target, params["skip_checks"], params["proof"], params["playbook_options"])
    )
    diagnosis, ready = examination.diagnosis, partial(on, _options(cluster, params))
    complaints = [each.facts() for each in diagnosis.complaints]
    return {
        "msg": verdict(diagnosis),
        "ok": not diagnosis.errors,
        "complaints": [{**each, "command": ready(each["command"])} for each in complaints],
        "unseen": list(diagnosis.unseen),
        "checks": [
            {"name": each.check, "rule": each.rule, "result": each.mark, "skipped": each.skipped}
            for each in examination.results
        ],
        "lines": lines(diagnosis, ready),
        **cluster.facts(),
    }


def _options(cluster: Cluster, params: dict[str, Any]) -> list[str]:
    """By what kubectl finds the cluster, as far as it does not by itself; what has no name there it cannot be told."""
    kubeconfig, options = params["kubeconfig"], []
    if isinstance(kubeconfig, str) and kubeconfig != os.environ.get("KUBECONFIG"):
        options += ["--kubeconfig", kubeconfig]
    if cluster.context not in (cluster.server, "in-cluster"):
        options += ["--context", cluster.context]
    return options


@answering
def main() -> None:
    module = Module(argument_spec=AUTH_ARGUMENTS | ARGUMENTS, supports_check_mode=True)
    try:
        result = run(connect(module.params), module.params)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
