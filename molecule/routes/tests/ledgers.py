"""The service `ledger` answers requests and bare connections, with TLS and without, behind a gateway of its own."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from foreign import Foreign
from gateway import ingress
from molecule_helpers import Kube
from moves import KUBE, NAMESPACE, istio_object

LEDGER = Foreign(NAMESPACE, name="ledger", label="edition")
ROUTES, DOOR = f"{LEDGER.name}-routes", "ledger-door"
HTTP, TCP, TLS = 8088, 9000, 9443
PORTS = {HTTP: "http-web", TCP: "tcp-raw", TLS: "tls-raw"}
TIMEOUT = 30.0  # seconds: what comes late on a busy machine is not lost
WORKERS = 8
DRAIN = 6  # seconds after which the gateway closes what is open, when a listener changes

Object = dict[str, Any]


def to(port: int) -> list[Object]:
    return [
        {"destination": {"host": LEDGER.host, "subset": version, "port": {"number": port}}, "weight": weight}
        for version, weight in (("blue", 100), ("green", 0))
    ]


def rules() -> Object:
    """One for requests, one for TLS by its SNI, one for bare TCP, and one that does not move."""
    files = {"destination": {"host": "files.example.com", "port": {"number": 21}}}
    return {
        "http": [{"name": "web", "timeout": "9s", "route": to(HTTP)}],
        "tls": [{"match": [{"port": TLS, "sniHosts": [LEDGER.public, LEDGER.host]}], "route": to(TLS)}],
        "tcp": [{"match": [{"port": 21}], "route": [files]}, {"match": [{"port": TCP}], "route": to(TCP)}],
    }


def set_up(folder: Path) -> str:
    """All objects; the address of the gateway."""
    image = "{.items[0].spec.containers[?(@.name=='istio-proxy')].image}"
    proxy = Kube("istio-system").run("get", "pods", "-l", "istio=ingressgateway", "-o", f"jsonpath={image}")
    made = [each for each in LEDGER.objects() if each["kind"] in ("Deployment", "DestinationRule")]
    for each in made:
        if each["kind"] == "Deployment":
            _add_door(each["spec"]["template"]["spec"], proxy)
    behind = {HTTP: 8080, TCP: 8081, TLS: 8443}  # proxies of the mesh must not take what comes by TCP for HTTP
    ports = [{"name": name, "port": port, "targetPort": behind[port]} for port, name in PORTS.items()]
    meta = {"name": LEDGER.name, "namespace": NAMESPACE}
    spec = {"selector": {"workload": LEDGER.name}, "ports": ports}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": DOOR}}
    config["data"] = {"envoy.yaml": json.dumps(_forwards(folder))}
    entry, gateway_pods = ingress(NAMESPACE, DOOR)
    gateway_pods["spec"]["replicas"] = 1
    annotations = gateway_pods["spec"]["template"]["metadata"]["annotations"]
    annotations["proxy.istio.io/config"] = json.dumps({"drainDuration": f"{DRAIN}s"})
    entry["spec"]["ports"] = [
        {"name": "http2", "port": 80, "targetPort": 8080},
        *({"name": PORTS[port], "port": port} for port in (TCP, TLS)),
    ]
    servers = [
        _server(80, "HTTP"),
        _server(TCP, "TCP"),
        {**_server(TLS, "TLS"), "tls": {"mode": "PASSTHROUGH"}},
    ]
    near = {"exportTo": [".", "istio-system"], "hosts": [LEDGER.public, LEDGER.host], "gateways": [DOOR, "mesh"]}
    KUBE.set_up(
        [
            *made,
            service,
            config,
            entry,
            gateway_pods,
            istio_object("Gateway", DOOR, selector={"istio": DOOR}, servers=servers),
            istio_object("VirtualService", ROUTES, **rules(), **near),
        ],
        wait=False,
    )
    KUBE.await_pods(DOOR, "ledger-blue", "ledger-green")
    return KUBE.run("get", "service", DOOR, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")


def connections(address: str, port: int, count: int) -> Counter[str]:
    """Open so many connections, one after the other by each worker; the version that has answered, or the error."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return Counter(pool.map(lambda _number: connect(address, port), range(count)))


def connect(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), TIMEOUT) as plain:
            if port != TLS:
                return _ask(plain)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain, server_hostname=LEDGER.public) as wrapped:
                return _ask(wrapped)
    except OSError as error:
        return f"lost: {error}"


def inside(count: int, port: int) -> Counter[str]:
    """The same from a pod in the mesh."""
    scheme = "https" if port == TLS else "http"
    url = f"{scheme}://{LEDGER.host}:{port}/version?[1-{count}]"
    words = ("curl", "-sk", "--http1.1", "-H", "Connection: close", "-w", r"\n", "-m", "60", url)
    found = KUBE.run("exec", "deployment/ledger-blue", "-c", "door", "--", *words)
    return Counter(found.split())


class Load:
    """Connections to both ports, again and again until it is stopped."""

    def __init__(self, address: str, rate: float = 20.0) -> None:
        self.answers: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(address, port, 1 / rate), daemon=True) for port in (TCP, TLS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Counter[str]:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT)
        return self.answers

    def _run(self, address: str, port: int, pause: float) -> None:
        while not self._over.wait(pause):
            self.answers[connect(address, port)] += 1


def spec() -> Object:
    return dict(KUBE.get("virtualservice", ROUTES)["spec"])


def greens() -> dict[str, list[int]]:
    """What green has in each rule that has it."""
    return {
        protocol: [rule["route"][1]["weight"] for rule in found if len(rule["route"]) > 1]
        for protocol, found in spec().items()
        if protocol in ("http", "tls", "tcp")
    }


def reset() -> None:
    """The rules as they were made, and no release known."""
    operations = [{"op": "replace", "path": f"/spec/{name}", "value": value} for name, value in rules().items()]
    operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    KUBE.run("patch", "virtualservice", ROUTES, "--type=json", "-p", json.dumps(operations))


def answer_over(connection: HTTPConnection) -> str:
    """The version behind a connection that stays open; empty if it was closed."""
    try:
        connection.request("GET", "/version")
        return connection.getresponse().read().decode().strip()
    except ConnectionError:
        return ""


def _ask(connection: socket.socket) -> str:
    connection.sendall(f"GET /version HTTP/1.0\r\nHost: {LEDGER.public}\r\n\r\n".encode())
    answer = b""
    while part := connection.recv(4096):
        answer += part
    return answer.decode().split()[-1] if answer else "lost: closed without an answer"


def _server(port: int, protocol: str) -> Object:
    return {"port": {"number": port, "name": f"{protocol.lower()}-{port}", "protocol": protocol}, "hosts": ["*"]}


def _add_door(pod: Object, image: str) -> None:
    """A second server in the pod, which takes connections with TLS and without."""
    pod["containers"].append(
        {
            "name": "door",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/envoy", "-c", "/etc/door/envoy.yaml", "--disable-hot-restart"],
            "args": ["--concurrency", "1"],
            "volumeMounts": [{"name": "door", "mountPath": "/etc/door"}],
            "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1, "timeoutSeconds": 10},
        }
    )
    pod["volumes"] = [{"name": "door", "configMap": {"name": DOOR}}]


def _forwards(folder: Path) -> Object:
    """Its configuration, with a certificate of its own."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={LEDGER.public}"]
    subprocess.run(["openssl", "req", "-x509", *curve, *files], check=True, capture_output=True)
    own = {
        "certificate_chain": {"inline_string": certificate.read_text()},
        "private_key": {"inline_string": key.read_text()},
    }
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    proxy = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    filters = [{"name": "proxy", "typed_config": {"@type": proxy, "stat_prefix": "door", "cluster": "server"}}]
    context = {"@type": tls, "common_tls_context": {"tls_certificates": [own]}}
    wrapped = {"filters": filters, "transport_socket": {"name": "tls", "typed_config": context}}
    listeners = [
        {"name": f"door-{port}", "address": _address("0.0.0.0", port), "filter_chains": [chain]}
        for port, chain in ((8081, {"filters": filters}), (8443, wrapped))
    ]
    endpoint = {"endpoint": {"address": _address("127.0.0.1", 8080)}}
    assignment = {"cluster_name": "server", "endpoints": [{"lb_endpoints": [endpoint]}]}
    cluster = {"name": "server", "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment}
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def _address(host: str, port: int) -> Object:
    return {"socket_address": {"address": host, "port_value": port}}
