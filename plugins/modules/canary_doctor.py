#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary_doctor
version_added: 1.1.0
short_description: Find what is wrong with a canary, since when, and how to fix it
description:
  - Runs all checks of M(progressive.istio.mesh_info), reads the pods of the versions and gateways, the events of those
    that are not ready and the state of the release, and asks each proxy which weights it runs.
  - It also checks whether M(progressive.istio.canary) would take a step, without writing.
  - Returns a short list of causes. Each is reported once, with its object, since when if known, a remedy and a command.
    The command fixes it if a change of one object of the service is enough. If the object belongs to others, or pods
    would stop serving, it only shows more. Symptoms of a cause are listed with it.
  - It returns problems, and does not fail because of them. What it may not read is listed in RV(unseen).
extends_documentation_fragment:
  - progressive.istio.target
  - progressive.istio.auth
  - progressive.istio.attributes.info
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
  - progressive.istio.checks
options:
  stable:
    description:
      - The stable subset or Service, as given to M(progressive.istio.canary).
      - The default is that of the release, or else the first of the two versions of a route.
    type: str
  canary:
    description:
      - The released subset or Service. Give it together with O(stable).
    type: str
  min_ready:
    description:
      - How many ready pods a version needs to take all requests, as given to M(progressive.istio.canary).
    type: int
  proof:
    description: Which proxies are asked. V(none) asks none.
    type: str
    choices: [all, gateways, none]
    default: all
  playbook_options:
    description:
      - Options with which C(ansible-playbook) finds this service, such as C(-i hosts.yml --limit pong).
      - They are added to those commands that run a playbook.
    type: str
    default: ""
notes:
  - The module fails if the VirtualService may not be read.
seealso:
  - module: progressive.istio.mesh_info
  - module: progressive.istio.canary_info
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Find what is wrong
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
  description: Whether there is no error. Neither warnings nor RV(unseen) count.
  returned: success
  type: bool
  sample: false
problems:
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
        - A command that shows more, or changes one object of the service. It names the cluster.
        - Empty if there is none.
      type: str
    since:
      description: Since when, in UTC. Null if unknown.
      type: str
    since_source:
      description: Where RV(problems[].since) is from, such as the manager that wrote the field. Null if unknown.
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
      remedy: scale it up
      command: kubectl --context kind-canary scale deployment -n default pong-server-v2 --replicas=1
      since: "2026-01-31T12:00:00Z"
      since_source: kubectl wrote spec.replicas
      symptoms: []
      events: []
unseen:
  description: What could not be checked, and why, one sentence each.
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
  description: The diagnosis as lines for a terminal, as M(progressive.istio.show) takes them.
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

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._doctor.examine import diagnose
from ..module_utils._doctor.report import lines, verdict
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import Cluster, connect
from ..module_utils._k8s.kubectl import on
from ..module_utils._preflight.checks import NAMES
from ..module_utils._rollout.snapshot import ROUTES_OPTION, Target

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str"},
    "canary": {"type": "str"},
    "destination_host": {"type": "str"},
    "min_ready": {"type": "int"},
    "routes": ROUTES_OPTION,
    "proof": {"type": "str", "choices": ["all", "gateways", "none"], "default": "all"},
    "playbook_options": {"type": "str", "default": ""},
    "skip_checks": {"type": "list", "elements": "str", "default": [], "choices": list(NAMES)},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS}


def run(cluster: Cluster, params: dict[str, Any]) -> dict[str, Any]:
    """The diagnosis as data and as text."""
    target = Target.of(params)
    diagnosis, results = diagnose(cluster, target, params["skip_checks"], params["proof"], params["playbook_options"])
    ready = partial(on, _options(cluster, params))
    problems = [each.facts() for each in diagnosis.problems]
    return {
        "msg": verdict(diagnosis),
        "ok": not diagnosis.errors,
        "problems": [{**each, "command": ready(each["command"])} for each in problems],
        "unseen": list(diagnosis.unseen),
        "checks": [each.facts() for each in results],
        "lines": lines(diagnosis, ready),
        **cluster.facts(),
    }


def _options(cluster: Cluster, params: dict[str, Any]) -> list[str]:
    """The options with which kubectl finds the cluster; none for access that no kubeconfig has."""
    kubeconfig, options = params["kubeconfig"], []
    if isinstance(kubeconfig, str) and kubeconfig != os.environ.get("KUBECONFIG"):
        options += ["--kubeconfig", kubeconfig]
    if cluster.context not in (cluster.server, "in-cluster"):
        options += ["--context", cluster.context]
    return options


def answer(call: Call) -> dict[str, Any]:
    try:
        return {"changed": False, **run(connect(call.params), call.params)}
    except ClusterError as error:
        return {"failed": True, "msg": str(error)}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
