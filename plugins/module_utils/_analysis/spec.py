# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of the option `analysis`. Data alone.

Ansible checks what is typed here. It does not look below `raw`, the type of parts that may be false, whose options are
there for the documentation; `criteria` checks those, and all ranges.
"""

from __future__ import annotations

from typing import Any

Spec = dict[str, dict[str, Any]]

DRY_RUN: Spec = {"dry_run": {"type": "bool", "default": False}}
ALPHA: Spec = {"alpha": {"type": "float", "default": 0.01}}
BETA: Spec = {"beta": {"type": "float", "default": 0.05}}
CONNECTION: Spec = {
    "url": {"type": "str"},
    "headers": {"type": "dict", "no_log": True},
    "ca_cert": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 5},
}
PROMETHEUS: Spec = {
    **CONNECTION,
    "reporter": {"type": "str", "choices": ["source", "destination"], "default": "source"},
    "bearer_token": {"type": "str", "no_log": True},
}
PROBE: Spec = {
    **CONNECTION,
    "version_header": {"type": "str"},
    "version_pattern": {"type": "str"},
    "per_second": {"type": "int", "default": 20},
}
QUERY: Spec = {
    "name": {"type": "str"},
    "query": {"type": "str"},
    "min": {"type": "float"},
    "max": {"type": "float"},
    **DRY_RUN,
}
SUCCESS: Spec = {
    "max_error": {"type": "float", "default": 0.01},
    "bad_error": {"type": "float", "default": 0.05},
    **ALPHA,
    **BETA,
    **DRY_RUN,
}
LATENCY: Spec = {
    "threshold_ms": {"type": "float", "default": 500},
    "max_slow": {"type": "float", "default": 0.01},
    "bad_slow": {"type": "float", "default": 0.05},
    **ALPHA,
    **BETA,
    **DRY_RUN,
}
ANALYSIS: Spec = {
    "source": {"type": "str", "choices": ["envoy", "prometheus", "probe"], "default": "envoy"},
    "success": {"type": "raw", "options": SUCCESS},
    "worse_than_stable": {
        "type": "raw",
        "options": {"max_ratio": {"type": "float", "default": 1.5}, **ALPHA, **DRY_RUN},
    },
    "latency": {"type": "raw", "options": LATENCY},
    "unattributed": {"type": "raw", "options": DRY_RUN},
    "minimum_requests": {"type": "int", "default": 100},
    "deadline": {"type": "float", "default": 600},
    "on_inconclusive": {"type": "str", "choices": ["hold", "rollback"], "default": "hold"},
    "queries": {"type": "list", "elements": "dict", "options": QUERY},
    "prometheus": {"type": "dict", "options": PROMETHEUS},
    "probe": {"type": "dict", "options": PROBE},
}
