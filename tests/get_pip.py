# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-test runs to get pip into a new environment, in place of the script that it would download.

Python's own pip, from the wheel that ensurepip carries, installs what the arguments ask for.
"""

from __future__ import annotations

import ensurepip
import sys
from pathlib import Path

NOT_PIPS = {"--no-setuptools", "--no-wheel"}

sys.path.insert(0, str(next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))))

from pip._internal.cli.main import main  # noqa: E402 - needs the path

sys.exit(main(["install", *(argument for argument in sys.argv[1:] if argument not in NOT_PIPS)]))
