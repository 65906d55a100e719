# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests need of ansible-core and its older versions have not."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19

    def patch_module_args(args: dict[str, Any]) -> AbstractContextManager[Any]:
        """The arguments of a module that runs meanwhile."""
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())

    def trust_as_template(value: str) -> str:
        """All text is a template there."""
        return value


__all__ = ["patch_module_args", "trust_as_template"]
