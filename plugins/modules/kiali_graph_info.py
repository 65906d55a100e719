#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kiali_graph_info
version_added: 1.1.0
short_description: Read what Kiali's graph shows of a namespace
description:
  - Asks Kiali for its graph of versioned apps, and returns every edge from or to the namespace with its rate, its share
    of what the source sends, its errors and its latency.
  - It also says how a person opens the same graph, and does so even where Kiali refuses to be read.
  - Kiali is at O(kiali_url), else it is the Service O(service) in the cluster, which is read over a port-forward.
extends_documentation_fragment:
  - progressive.istio.auth
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - It only reads.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  namespace:
    description: The namespace whose edges are wanted.
    type: str
    required: true
  source_namespaces:
    description:
      - Namespaces that are asked for too, because requests come from there. What a caller alone has counted is known in
        its own namespace only, as it is with an ingress gateway.
    type: list
    elements: str
    default: [istio-system]
  duration:
    description: Seconds that the graph looks back.
    type: int
    default: 60
  kiali_url:
    description:
      - URL of Kiali, with its path. The URL of one of its pages will do; without a path C(/kiali) is tried, then C(/).
      - Empty means that it is looked for in the cluster, which is not asked otherwise.
    type: str
    default: ""
  kiali_token:
    description:
      - Token for Kiali, where it is not open to everybody. It logs in with it if it says that it takes tokens, and
        sends it as bearer token to whatever stands before it.
    type: str
  kiali_ca_cert:
    description: File with the certificates of those who may have signed that of O(kiali_url). Default is the system's.
    type: path
  kiali_validate_certs:
    description: Whether the certificate of O(kiali_url) must be valid.
    type: bool
    default: true
  kiali_timeout:
    description: Seconds for each of its answers.
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
  - Kiali counts 4xx as errors. The colours of its pages are no gate for a canary, since by default nothing turns red
    below 10 % of 5xx.
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

- name: Show it
  ansible.builtin.debug:
    msg: "{{ [graph.graph_url] + graph.report }}"

- name: Read that of another Kiali, which wants a token
  progressive.istio.kiali_graph_info:
    namespace: default
    kiali_url: https://kiali.example.com/kiali
    kiali_token: "{{ vault_kiali_token }}"
    duration: 300
"""

RETURN = r"""
msg:
  description: What was seen, in one sentence.
  returned: always
  type: str
  sample: Kiali of Service istio-system/kiali saw 3 edges of namespace default in the last 60 s
command:
  description: The command that makes RV(graph_url) answer. Empty if Kiali was given by its URL.
  returned: always, unless there is no such Service
  type: str
  sample: istioctl dashboard kiali --port 20001
graph_url:
  description: Where a person sees the same graph.
  returned: always, unless there is no such Service
  type: str
  sample: "http://localhost:20001/kiali/console/graph/namespaces?namespaces=default,istio-system&graphType=versionedApp"
edges:
  description: The edges, those of callers whom nobody calls first.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: Who sends, with its version.
      type: str
      sample: service pong-server-service
    source_namespace:
      description: Its namespace.
      type: str
      sample: default
    target:
      description: Who answers, with its version.
      type: str
      sample: pong-server v2
    target_namespace:
      description: Its namespace.
      type: str
      sample: default
    version:
      description: The version that answers. Empty where it has none, as a Service has.
      type: str
      sample: v2
    protocol:
      description: V(http), V(grpc) or V(tcp). Empty for an edge that is idle.
      type: str
      sample: http
    rate:
      description: Requests a second, and 0 for an edge that is idle.
      type: float
      sample: 2.12
    unit:
      description: The unit of the rate, V(req/s), or V(B/s) for TCP.
      type: str
      sample: req/s
    share:
      description: Per cent of all that the source sends, if Kiali says so.
      type: float
      sample: 21.2
    errors:
      description: Per cent of the requests that failed, where 4xx counts too. None for TCP and for idle edges.
      type: float
      sample: 0.0
    p95:
      description:
        - Milliseconds within which 95 % of the requests were answered.
        - None where Kiali has none, as on an edge to a Service that leads on to versions.
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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from ansible_collections.progressive.istio.plugins.module_utils._common.module import Module, answering
from ansible_collections.progressive.istio.plugins.module_utils._common.text import plural
from ansible_collections.progressive.istio.plugins.module_utils._istio.ingress import NoSuchPort, port_of
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import AUTH_ARGUMENTS, ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import POD, SERVICE, connect
from ansible_collections.progressive.istio.plugins.module_utils._k8s.conditions import is_live, is_ready
from ansible_collections.progressive.istio.plugins.module_utils._k8s.kubectl import forward, listed
from ansible_collections.progressive.istio.plugins.module_utils._k8s.portforward import Stream
from ansible_collections.progressive.istio.plugins.module_utils._kiali.client import (
    Kiali,
    KialiError,
    KialiOptions,
    by_port_forward,
    by_url,
    is_url,
    origin,
    roots,
)
from ansible_collections.progressive.istio.plugins.module_utils._kiali.graph import (
    GraphError,
    as_result,
    page_path,
    read,
    request_path,
    table,
)

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
LOCAL_PORT = 20001
# What `istioctl dashboard kiali` opens, and nothing else.
DASHBOARD = ("istio-system", "kiali")

Object = Mapping[str, Any]


class NoService(ClusterError):
    """There is nothing to open."""


def mistakes(params: dict[str, Any]) -> list[str]:
    """All that cannot be meant."""
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
    """The command that brings the Service to this machine."""
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
    """The number at which the pod serves a port of its Service."""
    target = port.get("targetPort") or port["port"]
    ports = [each for container in pod["spec"]["containers"] for each in container.get("ports") or []]
    return int(next((each["containerPort"] for each in ports if each.get("name") == target), target))


def in_cluster(params: dict[str, Any]) -> tuple[Stream, str]:
    """The way to a ready pod of the Service, and what it is called."""
    cluster = connect(params)
    namespace, name = params["service_namespace"], params["service"]
    service = cluster.get(SERVICE, name, namespace)
    what = f"Service {namespace}/{name} in {cluster.where}"
    if service is None:
        raise NoService(
            f"{what} does not exist: name another one, give canary_kiali_url (kiali_url) of a Kiali that is elsewhere, "
            "or install one by 'ansible-playbook progressive.istio.observability -e observability_install=true'"
        )
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    pod = first_ready(cluster.list(POD, namespace, selector)) if selector else None
    if pod is None:
        raise ClusterError(f"{what} has no ready pod: see why by '{listed('pods', namespace, selector)}'")
    try:
        number = target_port(port_of(service, "http", params["service_port"]), pod)
    except NoSuchPort as error:
        raise ClusterError(f"{what}: {error}") from error
    return Stream(cluster, namespace, pod["metadata"]["name"], number), f"Kiali of Service {namespace}/{name}"


def first_ready(pods: Iterable[Object]) -> Object | None:
    return next((pod for pod in pods if is_live(pod) and is_ready(pod)), None)


@contextmanager
def entered(params: dict[str, Any], options: KialiOptions) -> Iterator[Kiali]:
    if options.url:
        yield by_url(options)
        return
    stream, where = in_cluster(params)
    with closing(stream):
        yield by_port_forward(stream, where, options)


def seen(kiali: Kiali, namespaces: list[str], duration: int) -> dict[str, Any]:
    """What Kiali shows of the first namespace."""
    namespace = namespaces[0]
    try:
        edges = read(kiali.get(request_path(namespaces, duration)), namespace)
    except GraphError as error:
        raise KialiError(f"{kiali.where} gave a graph that cannot be read: {error}") from error
    msg = f"{kiali.where} saw {plural(len(edges), 'edge')} of namespace {namespace} in the last {duration} s"
    if not edges:
        msg += ": were requests sent, does its Prometheus read the proxies, and may it see the namespace?"
    return {
        "msg": msg,
        "edges": [as_result(edge, namespace) for edge in edges],
        "report": table(edges, namespace),
    }


def run(params: dict[str, Any], istioctl: bool) -> dict[str, Any]:
    """The result; one that failed says so, with as much as a person needs to look for himself."""
    namespaces = list(dict.fromkeys([params["namespace"], *params["source_namespaces"]]))
    options = KialiOptions(
        params["kiali_url"],
        params["kiali_token"] or "",
        params["kiali_ca_cert"] or "",
        params["kiali_validate_certs"],
        params["kiali_timeout"],
    )

    def way(root: str) -> dict[str, str]:
        page = f"{root}{page_path(namespaces, params['duration'])}"
        return {
            "command": "" if options.url else forwarding(params, istioctl),
            "graph_url": f"{origin(options.url) or f'http://localhost:{LOCAL_PORT}'}{page}",
        }

    try:
        with entered(params, options) as kiali:
            return {**way(kiali.root), **seen(kiali, namespaces, params["duration"])}
    except NoService as error:
        return {"failed": True, "msg": str(error)}
    except (ClusterError, KialiError) as error:
        return {"failed": True, "msg": str(error), **way(roots(options.url)[0])}


@answering
def main() -> None:
    module = Module(argument_spec={**AUTH_ARGUMENTS, **ARGUMENTS}, supports_check_mode=True)
    if wrong := mistakes(module.params):
        module.fail_json(msg="; ".join(wrong))
    result = run(module.params, bool(module.get_bin_path("istioctl")))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
