#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_info
version_added: 1.0.0
short_description: Check the traffic rules of services
description:
  - Reads VirtualServices and the objects that they depend on, and checks them. Gateways exist and select ready pods,
    hosts are Services, subsets are defined and select ready pods, pods have sidecars, no other object takes the same
    requests, and so on.
  - Every finding names the object, the problem, and a command that fixes it or shows more of it.
  - It returns problems, and does not fail because of them.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes.info
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
  - progressive.istio.checks
options:
  name:
    description: Name of a VirtualService. Without it, all of the namespace are checked.
    type: str
  namespace:
    description: Namespace of the VirtualServices. Without it, all of the cluster are checked.
    type: str
notes:
  - It lists VirtualServices, DestinationRules, Gateways, ServiceEntries and Services of all namespaces, since any of
    them can take the same requests. It reads Namespaces, Deployments and pods of the routed Services, pods of gateways
    and injectors, and webhooks.
  - A check of objects that the account may not read is skipped, with the reason. The module fails if it may not list
    VirtualServices.
seealso:
  - module: progressive.istio.canary
  - module: progressive.istio.canary_info
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Check everything that one VirtualService depends on
  progressive.istio.mesh_info:
    name: pong-server-virtual-service
    namespace: default
  register: mesh

- name: Show every check with its mark
  ansible.builtin.debug:
    msg: "{{ mesh.report.splitlines() }}"

- name: Stop if requests are or will be lost
  ansible.builtin.assert:
    that: mesh.ok
    fail_msg: "{{ mesh.msg }}"

- name: Check all VirtualServices of a namespace, of which several share a host on purpose
  progressive.istio.mesh_info:
    namespace: shop
    skip_checks: [one_route_per_gateway_host]
"""

RETURN = r"""
msg:
  description: The number of checks, errors and warnings, and each error, in one sentence.
  returned: success
  type: str
  sample: "29 checks: 0 errors, 1 warning"
ok:
  description: Whether there are no errors. Warnings do not count.
  returned: success
  type: bool
  sample: true
findings:
  description: All problems, errors first.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check, as O(skip_checks) takes it.
      type: str
    severity:
      description:
        - C(error) if requests are lost or reach the wrong version, now or at the next step. C(warning) if it works, but
          is fragile.
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
        - A command that shows more, or changes one object of the service.
        - Empty if there is none.
      type: str
      version_added: 1.1.0
    since:
      description: Since when, in UTC. Null if unknown.
      type: str
      version_added: 1.1.0
    since_source:
      description: Where RV(findings[].since) is from, such as the manager that wrote the field. Null if unknown.
      type: str
      version_added: 1.1.0
  sample:
    - check: port_named_http
      severity: warning
      kind: Service
      namespace: default
      name: pong-server-service
      problem: gets HTTP on port 80, which has no name and no appProtocol that says HTTP
      remedy: >-
        set appProtocol to its protocol, such as http, http2 or grpc
      command: kubectl get service -n default pong-server-service -o yaml
      since: "2026-01-31T12:00:00Z"
      since_source: kubectl-edit wrote spec.ports
checks:
  description: Every check with its result.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
    rule:
      description: The rule it checks.
      type: str
    result:
      description: One of C(ok), C(warning), C(error) and C(skipped).
      type: str
    skipped:
      description: Why it was skipped, else empty.
      type: str
  sample:
    - name: gateway_exists
      rule: Every Gateway that a VirtualService names exists.
      result: ok
      skipped: ""
virtual_services:
  description: The VirtualServices that were checked, as namespace/name.
  returned: success
  type: list
  elements: str
  sample: [default/pong-server-virtual-service]
report:
  description: The routes, and every check with its result and findings, as text for a terminal.
  returned: success
  type: str
  sample: |
    VirtualService default/pong-server-virtual-service: hosts *; gateways default/pong-server-gateway
       80 %  route primary -> pong-server-service.default.svc.cluster.local v1 (1 of 1 pod ready)
       20 %  route primary -> pong-server-service.default.svc.cluster.local v2 (1 of 1 pod ready)
    ok       virtual_service_exists
    29 checks: 0 errors, 0 warnings
requests:
  description: How many requests were sent to the API server.
  returned: success
  type: int
  sample: 12
"""

from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._istio.mesh import Focus, name_of
from ..module_utils._istio.reader import read
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import connect
from ..module_utils._preflight.checks import NAMES, examine, findings, needs
from ..module_utils._preflight.finding import ERROR
from ..module_utils._preflight.report import render, verdict

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "skip_checks": {"type": "list", "elements": "str", "default": [], "choices": list(NAMES)},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS, "required_by": {"name": ["namespace"]}}


def run(params: dict[str, Any]) -> dict[str, Any]:
    cluster = connect(params)
    mesh = read(cluster, Focus(params["namespace"] or "", params["name"] or ""), needs(params["skip_checks"]))
    results = examine(mesh, params["skip_checks"])
    found = findings(results)
    errors = [str(finding) for finding in found if finding.severity == ERROR]
    return {
        "msg": "; ".join([verdict(results), *errors]),
        "ok": not errors,
        "findings": [finding.facts() for finding in found],
        "checks": [each.facts() for each in results],
        "virtual_services": [str(name_of(each)) for each in mesh.focused()],
        "report": render(mesh, results),
        "requests": cluster.requests,
    }


def answer(call: Call) -> dict[str, Any]:
    try:
        return run(call.params)
    except ClusterError as error:
        return {"failed": True, "msg": str(error)}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
