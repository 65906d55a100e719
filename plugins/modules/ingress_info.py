#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress_info
version_added: 1.0.0
short_description: Find the URL of an ingress gateway
description:
  - Reads the Service of an ingress gateway and returns its URL for clients outside the cluster.
  - It is the IP of its load balancer, else the host name of that, else its node port on a ready node, else an address
    on this machine with the C(kubectl port-forward) command for it.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
attributes:
  check_mode:
    support: full
    details:
      - It only reads. In check mode it does not fail if there is no Service, since the play may create it;
        RV(found=false) then.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  name:
    description: Name of the Service.
    type: str
    default: istio-ingressgateway
  namespace:
    description: Namespace of the Service.
    type: str
    default: istio-system
  scheme:
    description: Scheme of the URL.
    type: str
    choices: [http, https]
    default: http
  port:
    description:
      - Name or number of the Service's port.
      - By default the port named C(http2) or C(http), else port 80; for O(scheme=https) the port named C(https), else
        port 443.
    type: str
  wait_timeout:
    description:
      - Seconds after its creation to wait for the address of a Service of type LoadBalancer.
      - An older Service without an address is not waited for, since its cluster has no load balancer.
    type: float
    default: 60
  connect_timeout:
    description:
      - Seconds to wait for a connection to the address, for RV(reachable).
      - V(0) does not connect.
    type: float
    default: 0
seealso:
  - module: progressive.istio.traffic_probe
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Find the ingress gateway
  progressive.istio.ingress_info:
  register: ingress

- name: Find it, and check that it accepts connections
  progressive.istio.ingress_info:
    connect_timeout: 2
  register: ingress

- name: Call the service behind it
  ansible.builtin.uri:
    url: "{{ ingress.url }}/ping"
    headers:
      Host: pong.example.com
  when: ingress.found

- name: Find a gateway that the Helm chart has installed, for TLS
  progressive.istio.ingress_info:
    name: istio-ingress
    namespace: istio-ingress
    scheme: https
"""

RETURN = r"""
msg:
  description: The address and what it is, in one sentence.
  returned: always
  type: str
  sample: "http://172.18.255.245 is the load balancer's address of Service istio-system/istio-ingressgateway"
reachable:
  description: Whether the address accepts connections from where the module runs.
  returned: success, the Service exists and O(connect_timeout) is not V(0)
  type: bool
  sample: true
found:
  description: Whether the Service exists. It always does, except in check mode.
  returned: success
  type: bool
  sample: true
url:
  description: The URL to call, without a path and without a port that the scheme implies. Empty if RV(found=false).
  returned: success
  type: str
  sample: http://172.18.255.245
kind:
  description:
    - What the address is. C(load_balancer_ip), C(load_balancer_hostname), C(node_port), or C(port_forward) if it
      answers only while RV(command) is running.
  returned: success and the Service exists
  type: str
  sample: load_balancer_ip
scheme:
  description: The scheme of the URL.
  returned: success and the Service exists
  type: str
  sample: http
host:
  description: The host of the URL, an IPv6 address without brackets.
  returned: success and the Service exists
  type: str
  sample: 172.18.255.245
port:
  description: The port of the URL.
  returned: success and the Service exists
  type: int
  sample: 80
node:
  description: The node whose address it is. Empty unless RV(kind=node_port).
  returned: success and the Service exists
  type: str
  sample: ""
command:
  description: The command that makes the URL answer. Empty unless RV(kind=port_forward).
  returned: success and the Service exists
  type: str
  sample: ""
waited:
  description: Seconds waited for the load balancer's address.
  returned: success and the Service exists
  type: float
  sample: 0.0
"""

from dataclasses import asdict
from datetime import UTC, datetime
from socket import create_connection
from time import monotonic, sleep
from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._istio.ingress import (
    Address,
    NoSuchPort,
    Object,
    from_load_balancer,
    from_node,
    from_port_forward,
    nodes_with_pods,
    only_nodes_with_pods,
    patience,
    pending,
    port_of,
    reason,
)
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import NODE, POD, SERVICE, Cluster, connect
from ..module_utils._k8s.selectors import as_text

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "default": "istio-ingressgateway"},
    "namespace": {"type": "str", "default": "istio-system"},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "port": {"type": "str"},
    "wait_timeout": {"type": "float", "default": 60},
    "connect_timeout": {"type": "float", "default": 0},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS}
GATEWAY_LABEL = "istio=ingressgateway"
POLL = 0.5


def read(cluster: Cluster, name: str, namespace: str, timeout: float) -> tuple[Object | None, float]:
    """The Service, once its load balancer has an address or the time is over, and the seconds waited."""
    started = monotonic()
    service = cluster.get(SERVICE, name, namespace)
    limit = patience(service, timeout, datetime.now(UTC)) if service else 0.0
    while service and pending(service) and monotonic() - started + POLL <= limit:
        sleep(POLL)
        service = cluster.get(SERVICE, name, namespace)
    return service, monotonic() - started


def locate(cluster: Cluster, service: Object, scheme: str, wanted_port: str, context: str) -> tuple[Address, str]:
    """The best address of the Service, and a remark about it."""
    port = port_of(service, scheme, wanted_port)
    if address := from_load_balancer(service, port, scheme):
        return address, ""
    remark = ""
    if port.get("nodePort"):
        try:
            if address := from_node(port, scheme, _nodes(cluster, service)):
                return address, ""
            remark = f"; its node port is {port['nodePort']}, but no suitable node is ready"
        except ClusterError as error:
            if error.status != 403:
                raise
            remark = f"; its node port is {port['nodePort']}, but nodes may not be listed: {error}"
    return from_port_forward(service, port, scheme, context), remark


def absence(cluster: Cluster, name: str, namespace: str) -> str:
    """A message that there is no such Service, and which others there are."""
    gone = f"Service {namespace}/{name} does not exist in {cluster.context}: is the ingress gateway installed?"
    try:
        services = cluster.list(SERVICE, labels=GATEWAY_LABEL)
    except ClusterError as error:
        return f"{gone} Services with the label {GATEWAY_LABEL} cannot be listed: {error}"
    names = sorted(f"{service['metadata']['namespace']}/{service['metadata']['name']}" for service in services)
    if not names:
        return f"{gone} No Service of any namespace has the label {GATEWAY_LABEL}"
    return f"{gone} Services with the label {GATEWAY_LABEL}, for `namespace` and `name`: {', '.join(names)}"


def _nodes(cluster: Cluster, service: Object) -> list[Any]:
    nodes = cluster.list(NODE)
    if not only_nodes_with_pods(service):
        return nodes
    selector = as_text(service["spec"].get("selector") or {})
    return list(nodes_with_pods(nodes, cluster.list(POD, service["metadata"]["namespace"], selector)))


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    cluster = connect(params)
    name, namespace = params["name"], params["namespace"]
    service, waited = read(cluster, name, namespace, 0.0 if check_mode else params["wait_timeout"])
    if service is None:
        return {"found": False, "url": "", "msg": absence(cluster, name, namespace)}
    try:
        address, remark = locate(cluster, service, params["scheme"], params["port"] or "", params["context"] or "")
    except NoSuchPort as error:
        raise ClusterError(f"Service {namespace}/{name} in {cluster.context}: {error}") from error
    msg = reason(service, address) + remark
    tried: dict[str, Any] = {}
    if params["connect_timeout"] > 0:
        refusal = no_connection(address.host, address.port, params["connect_timeout"])
        tried = {"reachable": not refusal}
        msg += f"; it accepts no connection from here: {refusal}" if refusal else ""
    return {"found": True, "url": address.url, **asdict(address), "msg": msg, "waited": round(waited, 3), **tried}


def no_connection(host: str, port: int, timeout: float) -> str:
    """Why no connection is possible within `timeout` seconds; empty if one is."""
    try:
        with create_connection((host, port), timeout):
            return ""
    except OSError as error:
        return error.strerror or str(error) or error.__class__.__name__


def answer(call: Call) -> dict[str, Any]:
    if not 0 <= call.params["wait_timeout"] <= 3600:
        why = f"wait_timeout must be between 0 and 3600, and is {call.params['wait_timeout']}"
        return {"failed": True, "msg": why}
    try:
        result = run(call.params, call.check_mode)
    except ClusterError as error:
        return {"failed": True, "msg": str(error)}
    return {**result, "failed": not (result["found"] or call.check_mode)}


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
