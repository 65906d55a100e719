# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the working tree importable as the collection it is."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLLECTIONS = ROOT / "build" / "collections"
COLLECTION = COLLECTIONS / "ansible_collections" / "progressive" / "istio"

if not COLLECTION.exists():
    COLLECTION.parent.mkdir(parents=True, exist_ok=True)
    COLLECTION.symlink_to(ROOT, target_is_directory=True)
sys.path.insert(0, str(COLLECTIONS))
