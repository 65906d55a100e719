# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests need of ansible-core and differs between its versions."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before 2.19

    def patch_module_args(args: dict[str, Any]) -> AbstractContextManager[Any]:
        """The arguments of a module that runs meanwhile."""
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())

    TRUST: dict[str, bool] = {}  # all text is a template there
else:
    TRUST = {"trusted_as_template": True}


def load_templates(file: Path) -> dict[str, Any]:
    """The variables of a file, with their templates as they are."""
    from ansible.parsing.dataloader import DataLoader  # ansible-test hides it from the tests of modules

    found: dict[str, Any] = DataLoader().load_from_file(str(file), **TRUST)
    return found


__all__ = ["load_templates", "patch_module_args"]
