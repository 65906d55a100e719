# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: objects_info
version_added: 1.1.0
short_description: Read the objects that a role of this collection needs
description:
  - Reads objects of several kinds at once, each list as M(kubernetes.core.k8s_info) returns it.
  - It is for the roles of this collection alone. What it takes and returns may change in any release.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes.info
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
options:
  objects:
    description:
      - What to read, under names of your own. Each has a C(kind), and optionally C(namespace), C(name) and C(labels),
        a label selector.
      - With C(optional) it is no failure that they may not be read.
      - The kind V(Kubernetes) is the version of the API server.
    type: dict
    required: true
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Read what a version consists of
  progressive.istio.objects_info:
    objects:
      deployments: {kind: Deployment, namespace: shop, name: pong-server-v2}
      pods: {kind: Pod, namespace: shop, labels: app=pong-server}
  register: version
"""

RETURN = r"""
found:
  description: >-
    What was found, under the names of O(objects). Each has C(resources), C(readable), and C(api_found), which is false
    if the cluster does not serve the kind.
  returned: success
  type: dict
  sample:
    deployments: {resources: [], api_found: true, readable: true}
    pods: {resources: [], api_found: true, readable: true}
"""

import json
from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import (
    DAEMON_SET,
    DEPLOYMENT,
    DESTINATION_RULE,
    GATEWAY,
    MUTATING_WEBHOOK,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SERVICE,
    VIRTUAL_SERVICE,
    Cluster,
    Kind,
    Object,
    Objects,
    connect,
)

KINDS = {
    kind.kind: kind
    for kind in (
        *(DAEMON_SET, DEPLOYMENT, DESTINATION_RULE, GATEWAY, MUTATING_WEBHOOK),
        *(NAMESPACE, POD, REPLICA_SET, SERVICE, VIRTUAL_SERVICE),
    )
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | {"objects": {"type": "dict", "required": True}}}
HINT = "Give canary_kubeconfig and canary_context, or K8S_AUTH_KUBECONFIG and K8S_AUTH_CONTEXT in the environment"


def answer(call: Call) -> dict[str, Any]:
    """What was found, as JSON: a role writes parts of it again, so that nothing in it may be made printable."""
    try:
        cluster = connect(call.params)
        found = {name: _found(cluster, **one) for name, one in call.params["objects"].items()}
    except ClusterError as error:
        return {"failed": True, "msg": str(error) if error.status else f"{error}. {HINT}"}
    return {"changed": False, "found": json.dumps(found)}


def _found(cluster: Cluster, optional: bool = False, **what: Any) -> dict[str, Any]:
    try:
        return {"resources": _resources(cluster, **what), "api_found": True, "readable": True}
    except ClusterError as error:
        if error.reason == "NotServed":
            return {"resources": [], "api_found": False, "readable": True}
        if optional and error.status:
            return {"resources": [], "api_found": True, "readable": False}
        raise


def _resources(
    cluster: Cluster, kind: str, namespace: str | None = None, name: str | None = None, labels: str = ""
) -> Objects:
    if kind == "Kubernetes":
        return [{"version": cluster.release()}]
    if name is None:
        return [_whole(KINDS[kind], one) for one in cluster.list(KINDS[kind], namespace, labels)]
    found = cluster.get(KINDS[kind], name, namespace)
    return [found] if found else []


def _whole(kind: Kind, one: Object) -> Object:
    """An object of a list, which leaves out what all of them have."""
    return {"apiVersion": f"{kind.group}/{kind.version}" if kind.group else kind.version, "kind": kind.kind, **one}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
