# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment `checks`: the option to skip checks of the mesh, with their names."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  skip_checks:
    description:
      - Names of checks to skip, where something is meant to be as it is. What only they need is not read.
    type: list
    elements: str
    default: []
    choices:
      - virtual_service_exists
      - gateway_exists
      - gateway_selector_matches
      - gateway_port_served
      - host_in_gateway
      - one_gateway_per_host
      - one_route_per_gateway_host
      - route_not_shadowed
      - route_named
      - weights_complete
      - host_resolves
      - destination_port_exists
      - subset_defined
      - one_definition_per_subset
      - one_rule_per_host
      - rule_in_service_namespace
      - exported_to_gateway
      - reached_by_weight_alone
      - callers_routed
      - service_selector_without_version
      - port_named_http
      - deployments_apart
      - subset_selects_ready_pods
      - capacity_for_weight
      - single_injection_label
      - injection_label_answered
      - injector_ready
      - pods_injected
      - configuration_validated
"""
