# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
version_added: 1.1.0
short_description: Plan what a role of this collection writes
description:
  - The roles of this collection decide by it what to write, restart or remove, and it fails where that would change
    objects that others have made. It reads and writes nothing itself.
  - It is for these roles alone. What it takes and returns may change in any release.
extends_documentation_fragment:
  - progressive.istio.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  of:
    description: What to plan, or to check.
    type: str
    choices:
      - settings
      - sidecars
      - site
      - app_version
      - cleanup
      - destination_rule
      - gateway
      - injection
      - restart
      - teardown
      - virtual_service
    required: true
  given:
    description: What the role has read, and its settings. For V(settings), those that are no variables of the host.
    type: dict
    default: {}
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Read the Gateways
  kubernetes.core.k8s_info:
    api_version: networking.istio.io/v1
    kind: Gateway
    namespace: default
  register: gateways

- name: Plan what to write of one
  progressive.istio.plan:
    of: gateway
    given:
      found: "{{ gateways }}"
      name: pong-server-gateway
      namespace: default
      selector: {istio: ingressgateway}
      port: 80
      hosts: [pong.example.com]
"""

RETURN = r"""
definition:
  description: What to write of an object. Null if nothing is missing. Other plans return what their role needs.
  returned: for an object
  type: dict
"""
