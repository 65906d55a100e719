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
  routes:
    description:
      - The routes of the VirtualService that the release moves. Those in C(http) go by their name, or by their number
        from 1, and those for connections by list and number from 1, such as C(tcp:1) or C(tls:2).
      - V(all) stands for every route that has destinations for both versions. If none has, it is the one route
        that has one of them; several must be named.
      - A release goes on in the routes that it was begun in, whether they are named again or not.
    type: list
    elements: str
    default: [all]
    aliases: [route]
  destination_host:
    description:
      - Host of the destinations, as in the VirtualService or fully qualified.
      - It is needed only if the VirtualService routes several services with subsets of these names. Versions that are
        Services name theirs.
    type: str
"""

    FOLLOWERS = r"""
options:
  virtual_services:
    version_added: 1.1.0
    description:
      - Further VirtualServices that move with this one, their leader, such as one that is bound to other gateways, one
        for sidecars, or a delegate of another team.
      - On the way up they get a weight before their leader, in a rollback after it. Its annotation has the state, and
        theirs names it. If a run ends in between, the next one completes the step, and a rollback takes all back.
      - A release goes on in those that it was begun in, whether they are named again or not.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the VirtualService.
        type: str
        required: true
      namespace:
        description: Its namespace. The default is that of the leader.
        type: str
      routes:
        description: The HTTP routes in it, as in O(routes).
        type: list
        elements: str
        default: [all]
"""
