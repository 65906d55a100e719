#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_wait
version_added: 1.1.0
short_description: Wait until Istio's proxies know the versions of a service, or have no route to them
description:
  - Reads the configuration of the Envoys of gateways, and of sidecars on request, until all of them agree.
  - A route that names a subset before the proxies know it loses requests, and so does removing a subset while proxies
    still have a route to it. The API server knows neither.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
attributes:
  check_mode:
    support: full
    details:
      - It only reads. In check mode no proxy is asked, for what it waits for has not been written.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  gateways:
    description:
      - The Gateways to ask, as a VirtualService names them.
      - V(mesh) means the sidecars; of more than 50 only 50 are asked, and the message says of how many.
    type: list
    elements: str
    required: true
  namespace:
    description: Namespace of names without one in O(gateways) and O(destination_host).
    type: str
    default: default
  destination_host:
    description: Host of the service, as in its DestinationRule.
    type: str
    required: true
  subsets:
    description: The subsets to wait for.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) waits until each proxy knows every subset, with or without pods. Then a route may name it.
      - V(absent) waits until no proxy has a route to any of them. Then they may be removed.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    description: Seconds to wait. Then it fails and says which proxy does not agree, what it has, and why.
    type: float
    default: 30
seealso:
  - module: progressive.istio.canary
  - module: progressive.istio.mesh_info
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Wait until the versions are known before a route names them
  progressive.istio.proxy_wait:
    gateways: [pong-server-gateway]
    destination_host: pong-server-service.default.svc.cluster.local
    subsets: [v1, v2]

- name: Wait until no proxy sends requests to v1 before its pods are removed
  progressive.istio.proxy_wait:
    gateways: [pong-server-gateway, mesh]
    destination_host: pong-server-service.default.svc.cluster.local
    subsets: [v1]
    state: absent
"""

RETURN = r"""
msg:
  description: The result, or why no proxy was asked.
  returned: success
  type: str
  sample: "every proxy (2 asked) knows subset v1, v2 of pong-server-service.default.svc.cluster.local"
proxies:
  description: The proxies that agree.
  returned: success
  type: list
  elements: str
  sample: [gateway istio-system/istio-ingressgateway-5d8f]
unanswered:
  description:
    - Sidecars that gave no answer and were not waited for, since the pods behind the host have never received a request
      from them; one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._istio.mesh import MESH, Object
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import SERVICE, Cluster, connect
from ..module_utils._proxy.attachment import whole_attachment
from ..module_utils._proxy.fleet import Proxies, Unproven
from ..module_utils._proxy.sync_status import filters_gateway_clusters
from ..module_utils._routing.hosts import HostSubset, identity, service_of

ARGUMENTS: dict[str, dict[str, Any]] = {
    "gateways": {"type": "list", "elements": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "destination_host": {"type": "str", "required": True},
    "subsets": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "wait_timeout": {"type": "float", "default": 30},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS}


def run(params: dict[str, Any]) -> dict[str, Any]:
    """Wait. Raises Unproven if a proxy does not agree in time or none can be asked, and ClusterError."""
    cluster, host, subsets = connect(params), params["destination_host"], params["subsets"]
    if params["state"] == "present" and filters_gateway_clusters(cluster):
        said = "istiod sends gateways only what their routes name, so a subset cannot be seen before a route names it"
        return {"msg": said, "proxies": [], "unanswered": []}
    where = {"namespace": params["namespace"]}
    bound = {"metadata": where, "spec": {"hosts": ["*"], "gateways": params["gateways"]}}
    service = _service(cluster, host, params["namespace"]) if MESH in params["gateways"] else None
    with Proxies(cluster, whole_attachment(f"host {host}", bound), service=service) as proxies:
        wait = proxies.await_definitions if params["state"] == "present" else proxies.await_absence
        place = identity(host, params["namespace"])
        proof = wait([HostSubset(place, subset) for subset in subsets], params["wait_timeout"])
    found = [str(each.proxy) for each in proof.live]
    does = "knows" if params["state"] == "present" else "has no route to"
    asked = ", ".join(each for each in (f"{len(found)} asked", proof.extent.sample) if each)
    said = f"every proxy ({asked}) {does} subset {', '.join(subsets)} of {host}"
    return {"msg": said, "proxies": found, "unanswered": list(proof.extent.unanswered)}


def _service(cluster: Cluster, host: str, namespace: str) -> Object | None:
    """The Service of the host, to find its callers; None without the right to read it."""
    name = service_of(host, namespace)
    try:
        return cluster.get(SERVICE, name.name, name.namespace) if name else None
    except ClusterError as error:
        if error.status != 403:
            raise
        return None


def answer(call: Call) -> dict[str, Any]:
    if call.check_mode:
        return {"changed": False, "msg": "no proxy is asked in check mode", "proxies": [], "unanswered": []}
    try:
        return {"changed": False, **run(call.params)}
    except (Unproven, ClusterError) as error:
        return {"failed": True, "msg": str(error)}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
