# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment `attributes`: the attributes of all modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what it would change, without changing it.
  diff_mode:
    description: Returns what it changed (or in C(check_mode) would change) when it runs in diff mode.
  idempotent:
    description: Running it twice in a row changes nothing the second time.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/progressive.istio.canary) in C(module_defaults) to set its options for all modules at once.
    support: full
    membership:
      - progressive.istio.canary
"""

    IN_PROCESS = r"""
options: {}
attributes:
  action:
    description: Has an action plugin, which runs on the controller.
    support: full
    details:
      - The action plugin does the work itself, without starting a module, if the connection is local, the task has
        neither C(become) nor C(async), no Python but Ansible's own is named as interpreter, and that Python has the
        libraries. The result is the same. Elsewhere the module runs.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what it would change, without changing it.
    support: full
    details:
      - It only reads.
  diff_mode:
    description: Returns what it changed (or in C(check_mode) would change) when it runs in diff mode.
    support: none
  idempotent:
    description: Running it twice in a row changes nothing the second time.
    support: full
"""
