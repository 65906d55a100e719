# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name a route and its service."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  name:
    description: Name of the VirtualService.
    type: str
    required: true
  namespace:
    description: Namespace of the VirtualService.
    type: str
    default: default
  route:
    description:
      - Name of the HTTP route in the VirtualService.
      - The default is the one route that has destinations with the two subsets.
    type: str
  destination_host:
    description:
      - Host of the destinations, as in the VirtualService or fully qualified.
      - It is needed only if the route has several services with subsets of these names.
    type: str
"""
