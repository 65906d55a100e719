#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kiali_graph_info
version_added: 1.1.0
short_description: Read Kiali's graph of a namespace
description:
  - Reads the graph of versioned apps, and returns every edge from or to the namespace with its rate, its share of the
    source's requests, its errors and its latency.
  - It also returns how to open the same graph in a browser, even if Kiali refuses the request.
  - Kiali is at O(kiali_url), else it is the Service O(service) in the cluster, which is read over a port-forward.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes.info
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
options:
  namespace:
    description: The namespace to return the edges of.
    type: str
    required: true
  source_namespaces:
    description:
      - Further namespaces to read, from which requests come. What only the caller counts, such as an ingress gateway,
        Kiali shows in the caller's namespace alone.
    type: list
    elements: str
    default: [istio-system]
  duration:
    description: Seconds of traffic in the graph.
    type: int
    default: 60
  kiali_url:
    description:
      - URL of Kiali or of one of its pages. Without a path, C(/kiali) is tried, then C(/).
      - If empty, the Kiali in the cluster is read; only then is the cluster asked.
    type: str
    default: ""
  kiali_token:
    description:
      - Token for Kiali if it needs one. It is used to log in if that is Kiali's authentication strategy, and sent as
        bearer token, for a proxy in front of Kiali.
    type: str
  kiali_ca_cert:
    description: File with the certificates of the authorities to trust, in PEM. The default are those of the system.
    type: path
  kiali_validate_certs:
    description: Whether the certificate of O(kiali_url) must be valid.
    type: bool
    default: true
  kiali_timeout:
    description: Seconds for each answer.
    type: float
    default: 10
  service:
    description: Name of the Service.
    type: str
    default: kiali
  service_namespace:
    description: Namespace of the Service.
    type: str
    default: istio-system
  service_port:
    description: Name or number of the Service's port. It must serve HTTP; one that serves HTTPS needs O(kiali_url).
    type: str
    default: "20001"
notes:
  - In the cluster it needs the verbs C(get) on the Service, C(list) on pods, and C(get) and C(create) on
    C(pods/portforward) in O(service_namespace).
  - Kiali counts 4xx as errors. The colours of its pages do not tell whether a canary is good, since by default nothing
    turns red below 10 % of 5xx.
seealso:
  - module: progressive.istio.canary
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Read the graph of the Kiali in the cluster
  progressive.istio.kiali_graph_info:
    namespace: default
  register: graph

- name: Show the graph
  ansible.builtin.debug:
    msg: "{{ [graph.graph_url] + graph.report }}"

- name: Read the graph of another Kiali, which needs a token
  progressive.istio.kiali_graph_info:
    namespace: default
    kiali_url: https://kiali.example.com/kiali
    kiali_token: "{{ vault_kiali_token }}"
    duration: 300
"""

RETURN = r"""
msg:
  description: The result in one sentence.
  returned: always
  type: str
  sample: Kiali of Service istio-system/kiali saw 3 edges of namespace default in the last 60 s
command:
  description: The command that makes RV(graph_url) available. Empty with O(kiali_url).
  returned: always, unless there is no such Service
  type: str
  sample: istioctl dashboard kiali --port 20001
graph_url:
  description: The URL of the same graph for a browser.
  returned: always, unless there is no such Service
  type: str
  sample: "http://localhost:20001/kiali/console/graph/namespaces?namespaces=default,istio-system&graphType=versionedApp"
edges:
  description: The edges, first those of sources that are not called themselves.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: The sender, with its version.
      type: str
      sample: service pong-server-service
    source_namespace:
      description: Its namespace.
      type: str
      sample: default
    target:
      description: The receiver, with its version.
      type: str
      sample: pong-server v2
    target_namespace:
      description: Its namespace.
      type: str
      sample: default
    version:
      description: The version of the target. Empty if it has none, such as a Service.
      type: str
      sample: v2
    protocol:
      description: V(http), V(grpc) or V(tcp). Empty for an idle edge.
      type: str
      sample: http
    rate:
      description: Requests per second, 0 for an idle edge.
      type: float
      sample: 2.12
    unit:
      description: The unit of the rate, V(req/s), or V(B/s) for TCP.
      type: str
      sample: req/s
    share:
      description: Percent of the source's requests; None if Kiali does not say.
      type: float
      sample: 21.2
    errors:
      description: Percent of the requests that failed, including 4xx. None for TCP and idle edges.
      type: float
      sample: 0.0
    p95:
      description:
        - Milliseconds within which 95 % of the requests were answered.
        - None where Kiali has none, as on an edge to a Service.
      type: float
      sample: 4.0
report:
  description: The edges as the lines of a table.
  returned: success
  type: list
  elements: str
  sample:
    - from                                      to                                 rate    share  errors   p95
    - istio-system/istio-ingressgateway latest  service pong-server-service  10.00 req/s  100.0 %   0.0 %     -
    - service pong-server-service               pong-server v1                7.88 req/s   78.8 %   0.0 %  4 ms
    - service pong-server-service               pong-server v2                2.12 req/s   21.2 %   0.0 %  5 ms
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from shutil import which
from typing import Any

from ..module_utils._common.call import Call
from ..module_utils._common.module import serve
from ..module_utils._common.text import plural
from ..module_utils._istio.ingress import NoSuchPort, port_of
from ..module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ..module_utils._k8s.client import POD, SERVICE, connect
from ..module_utils._k8s.conditions import is_live, is_ready
from ..module_utils._k8s.kubectl import forward, listed
from ..module_utils._k8s.portforward import Stream
from ..module_utils._kiali.client import Kiali, KialiError, by_port_forward, by_url, is_url, origin, roots
from ..module_utils._kiali.graph import GraphError, as_result, page_path, read, request_path, table

ARGUMENTS: dict[str, dict[str, Any]] = {
    "namespace": {"type": "str", "required": True},
    "source_namespaces": {"type": "list", "elements": "str", "default": ["istio-system"]},
    "duration": {"type": "int", "default": 60},
    "kiali_url": {"type": "str", "default": ""},
    "kiali_token": {"type": "str", "no_log": True},
    "kiali_ca_cert": {"type": "path"},
    "kiali_validate_certs": {"type": "bool", "default": True},
    "kiali_timeout": {"type": "float", "default": 10},
    "service": {"type": "str", "default": "kiali"},
    "service_namespace": {"type": "str", "default": "istio-system"},
    "service_port": {"type": "str", "default": "20001"},
}
SPEC = {"argument_spec": AUTH_ARGUMENTS | ARGUMENTS}
LOCAL_PORT = 20001
# The only Service that `istioctl dashboard kiali` opens.
DASHBOARD = ("istio-system", "kiali")

Object = Mapping[str, Any]


class NoService(ClusterError):
    """There is no such Service."""


def mistakes(params: dict[str, Any]) -> list[str]:
    """All mistakes in the options."""
    found = []
    url = params["kiali_url"]
    if url and not is_url(url):
        found.append(f"kiali_url must be a URL such as http://kiali.example.com/kiali, and is {url!r}")
    if params["duration"] < 1:
        found.append(f"duration must be at least 1 second, and is {params['duration']}")
    if not params["kiali_timeout"] > 0:
        found.append(f"kiali_timeout must be above 0, and is {params['kiali_timeout']:g}")
    return found


def forwarding(params: dict[str, Any], istioctl: bool) -> str:
    """The command that forwards a port of this machine to the Service."""
    place = (params["service_namespace"], params["service"])
    access = [
        word
        for name in ("kubeconfig", "context")
        if isinstance(params[name], str) and params[name]
        for word in (f"--{name}", params[name])
    ]
    if istioctl and place == DASHBOARD:
        return shlex.join(["istioctl", "dashboard", "kiali", *access, "--port", str(LOCAL_PORT)])
    ports = f"{LOCAL_PORT}:{params['service_port']}"
    return forward(access, *place, ports)


def target_port(port: Object, pod: Object) -> int:
    """The number of the pod's port for a port of its Service."""
    target = port.get("targetPort") or port["port"]
    ports = [each for container in pod["spec"]["containers"] for each in container.get("ports") or []]
    return int(next((each["containerPort"] for each in ports if each.get("name") == target), target))


def in_cluster(params: dict[str, Any]) -> tuple[Stream, str]:
    """A stream to a ready pod of the Service, and its name for messages."""
    cluster = connect(params)
    namespace, name = params["service_namespace"], params["service"]
    service = cluster.get(SERVICE, name, namespace)
    what = f"Service {namespace}/{name} in {cluster.where}"
    if service is None:
        raise NoService(
            f"{what} does not exist: name another one, set canary_kiali_url (kiali_url) for a Kiali elsewhere, "
            "or install one by 'ansible-playbook progressive.istio.observability -e observability_install=true'"
        )
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    pods = cluster.list(POD, namespace, selector) if selector else []
    pod = next((each for each in pods if is_live(each) and is_ready(each)), None)
    if pod is None:
        raise ClusterError(f"{what} has no ready pod: see why by '{listed('pods', namespace, selector)}'")
    try:
        number = target_port(port_of(service, "http", params["service_port"]), pod)
    except NoSuchPort as error:
        raise ClusterError(f"{what}: {error}") from error
    return Stream(cluster, namespace, pod["metadata"]["name"], number), f"Kiali of Service {namespace}/{name}"


@contextmanager
def connected(params: dict[str, Any]) -> Iterator[Kiali]:
    url, token, timeout = params["kiali_url"], params["kiali_token"] or "", params["kiali_timeout"]
    if url:
        yield by_url(url, token, timeout, params["kiali_ca_cert"] or "", params["kiali_validate_certs"])
        return
    stream, where = in_cluster(params)
    with closing(stream):
        yield by_port_forward(stream, where, token, timeout)


def graph_of(kiali: Kiali, namespaces: list[str], duration: int) -> dict[str, Any]:
    """Kiali's graph of the first namespace, as results of the module."""
    namespace = namespaces[0]
    try:
        edges = read(kiali.get(request_path(namespaces, duration)), namespace)
    except GraphError as error:
        raise KialiError(f"{kiali.where} gave a graph that cannot be read: {error}") from error
    msg = f"{kiali.where} saw {plural(len(edges), 'edge')} of namespace {namespace} in the last {duration} s"
    if not edges:
        msg += ": were requests sent, does its Prometheus read the proxies, and may it see the namespace?"
    return {"msg": msg, "edges": [as_result(edge, namespace) for edge in edges], "report": table(edges, namespace)}


def run(params: dict[str, Any], istioctl: bool) -> dict[str, Any]:
    """The result; one that failed still says how to open the graph."""
    namespaces = list(dict.fromkeys([params["namespace"], *params["source_namespaces"]]))
    url = params["kiali_url"]

    def links(root: str) -> dict[str, str]:
        page = f"{root}{page_path(namespaces, params['duration'])}"
        return {
            "command": "" if url else forwarding(params, istioctl),
            "graph_url": f"{origin(url) or f'http://localhost:{LOCAL_PORT}'}{page}",
        }

    try:
        with connected(params) as kiali:
            return {**links(kiali.root), **graph_of(kiali, namespaces, params["duration"])}
    except NoService as error:
        return {"failed": True, "msg": str(error)}
    except (ClusterError, KialiError) as error:
        return {"failed": True, "msg": str(error), **links(roots(url)[0])}


def answer(call: Call) -> dict[str, Any]:
    if wrong := mistakes(call.params):
        return {"failed": True, "msg": "; ".join(wrong)}
    return run(call.params, bool(which("istioctl")))


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
