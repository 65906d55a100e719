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
      - app_version
      - settings
      - sidecars
      - site
      - cleanup
      - destination_rule
      - gateway
      - injection
      - restart
      - teardown
      - virtual_service
    required: true
  given:
    description: What the role has read, and its settings.
    type: dict
    required: true
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Check that every pod has its sidecar
  progressive.istio.plan:
    of: sidecars
    given:
      pods: "{{ pods.resources }}"
      namespace: shop
"""

RETURN = r"""#"""
