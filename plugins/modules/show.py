# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show
version_added: 1.1.0
short_description: Print lines of text as they are
description:
  - Prints lines without the quotes and braces that M(ansible.builtin.debug) puts around them.
  - They are coloured by their tone if Ansible itself uses colour, by default on terminals. C(ANSIBLE_NOCOLOR),
    C(NO_COLOR), C(ANSIBLE_FORCE_COLOR) and the settings of its colours apply.
  - With a callback for programs, such as C(json), nothing is printed; the result has the lines.
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
  lines:
    description: The lines, each with a C(text) and optionally a C(tone).
    type: list
    elements: dict
    default: []
    suboptions:
      text:
        description: The line.
        type: str
        required: true
      tone:
        description: Its meaning, which selects the colour.
        type: str
        choices: [ok, warning, error, command, plain]
        default: plain
  text:
    description: A text with line ends, such as a table, to print before O(lines).
    type: str
    default: ""
  fail:
    description: Fail with this text once the lines are printed. Empty means not to fail.
    type: str
    default: ""
seealso:
  - module: progressive.istio.canary_doctor
  - plugin: progressive.istio.status_table
    plugin_type: filter
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Look for what is wrong
  progressive.istio.canary_doctor:
    name: pong-server-virtual-service
  register: doctor

- name: Show it
  progressive.istio.show:
    lines: "{{ doctor.lines }}"
"""

RETURN = r"""
lines:
  description: The texts that were printed.
  returned: success
  type: list
  elements: str
  sample:
    - "Nothing is wrong with VirtualService default/pong-server-virtual-service in kind-canary: v1 80 %, v2 20 %"
"""
