# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `kiali_graph_info`, against a Kiali of its own on loopback and behind a port-forward."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.progressive.istio.plugins.modules import kiali_graph_info
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kiali_server import CANARY, SESSION, Answer, Kiali, Server, graph, serving
from loopback_mesh import Mesh, Pod, running

Call = Callable[..., dict[str, Any]]
HTML = "<!doctype html><title>Welcome</title>"
TOKEN = "eyJhbGciOi.J9"
FROM_HERE = "kubectl port-forward -n istio-system service/kiali 20001:20001"


@pytest.fixture
def kiali() -> Kiali:
    return Kiali(graph=CANARY)


@pytest.fixture
def server(kiali: Kiali) -> Iterator[Server]:
    with serving(kiali) as running:
        yield running


@pytest.fixture(autouse=True)
def istioctl(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Where programs are, which is nowhere until a test says otherwise, and no cluster but that of the test."""
    found: dict[str, str | None] = {}
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)
    monkeypatch.setattr(kiali_graph_info, "which", found.get)
    return found


@pytest.fixture
def read(run_module: Call) -> Call:
    return lambda **options: run_module(kiali_graph_info.main, {"namespace": "shop", **options})


def test_documentation_and_arguments_agree() -> None:
    documented = yaml.safe_load(kiali_graph_info.DOCUMENTATION)["options"]
    assert set(documented) == set(kiali_graph_info.ARGUMENTS)
    for name, argument in kiali_graph_info.ARGUMENTS.items():
        keys = ("type", "default", "required", "elements")
        assert [documented[name].get(key) for key in keys] == [argument.get(key) for key in keys], name


def test_an_open_kiali_is_read_by_its_url(read: Call, kiali: Kiali, server: Server) -> None:
    result = read(kiali_url=f"{server.url}/kiali/")
    assert not result.get("failed"), result["msg"]
    assert result["msg"] == f"Kiali at {server.url}/kiali saw 3 edges of namespace shop in the last 60 s"
    assert [(edge["target"], edge["share"], edge["errors"], edge["p95"]) for edge in result["edges"]] == [
        ("service pong", 100.0, 1.1, None),
        ("pong v1", 78.8, 0.0, 4.0),
        ("pong v2", 21.2, 5.2, 95.0),
    ]
    assert result["command"] == ""
    assert result["graph_url"].startswith(f"{server.url}/kiali/console/graph/namespaces?namespaces=shop,istio-system&")
    assert [path for path, _query, _headers in kiali.asked] == ["/kiali/api/auth/info", "/kiali/api/namespaces/graph"]
    _path, asked, headers = kiali.asked[-1]
    assert asked == {
        "namespaces": "shop,istio-system",
        "graphType": "versionedApp",
        "injectServiceNodes": "true",
        "duration": "60s",
        "appenders": "responseTime",
        "responseTime": "95",
    }
    assert headers["Authorization"] is None


def test_results_are_those_documented(read: Call, server: Server) -> None:
    result = read(kiali_url=server.url)
    documented = yaml.safe_load(kiali_graph_info.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["edges"]["contains"]) == set(result["edges"][0])


@pytest.mark.parametrize(
    ("root", "path"),
    [("/kiali", ""), ("/kiali", "/"), ("", ""), ("/mesh", "/mesh"), ("/kiali", "/kiali/console/graph/namespaces?x=y")],
)
def test_its_root_is_found(read: Call, kiali: Kiali, server: Server, root: str, path: str) -> None:
    kiali.root = root
    result = read(kiali_url=server.url + path)
    assert len(result["edges"]) == 3, result["msg"]
    assert result["graph_url"].startswith(f"{server.url}{root}/console/graph/")


def test_a_token_opens_a_session_and_is_hidden(read: Call, kiali: Kiali, server: Server) -> None:
    kiali.token = TOKEN
    result = read(kiali_url=server.url, kiali_token=TOKEN)
    assert len(result["edges"]) == 3, result["msg"]
    path, _query, headers = kiali.asked[-1]
    assert (path, headers["Cookie"]) == ("/kiali/api/namespaces/graph", "; ".join(SESSION))
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a token: set canary_kiali_token (kiali_token)"),
        (
            {"kiali_token": "wr0ng"},
            "refuses access (401: token is not valid or is expired: ***): the token is wrong or has expired",
        ),
    ],
)
def test_without_the_right_token_it_says_so_and_how_a_person_gets_there(
    read: Call, kiali: Kiali, server: Server, options: dict[str, str], words: str
) -> None:
    kiali.token = TOKEN
    result = read(kiali_url=server.url, **options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert "wr0ng" not in str(result)
    assert result["graph_url"].startswith(f"{server.url}/kiali/console/")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Answer(401, "Unauthorized\n"), "refuses access (401: Unauthorized): set canary_kiali_token (kiali_token)"),
        (
            Answer(403, '{"error": "Requested namespace [shop] is not accessible."}'),
            "answered 403: Requested namespace [shop] is not accessible.",
        ),
        (Answer(403, "RBAC: access denied"), "answered 403: RBAC: access denied"),
        (Answer(400, '{"error": "Invalid duration", "detail": "[x]"}'), "answered 400: Invalid duration [x]"),
        (Answer(503, "no healthy upstream"), "answered 503: no healthy upstream"),
        (Answer(404, "404 page not found"), "does not answer as Kiali does, is its address right and whole"),
        (Answer(200, HTML), f"with a path such as /kiali? It said (200): {HTML}"),
        (Answer(200, "[]"), "does not answer as Kiali does"),
        (Answer(200, ""), "It said (200): nothing"),
        (Answer(200, "x" * 1000), f"It said (200): {'x' * 297}..."),
        (Answer(302, "", {"Location": "https://login.example.com"}), "sends elsewhere, to https://login.example.com"),
    ],
)
def test_other_answers_are_told(read: Call, kiali: Kiali, server: Server, broken: Answer, words: str) -> None:
    kiali.broken = broken
    result = read(kiali_url=f"{server.url}/kiali")
    assert result["failed"] is True
    assert result["msg"].startswith(f"Kiali at {server.url}/kiali ")
    assert words in result["msg"]


def test_a_graph_that_is_none_is_told(read: Call, kiali: Kiali, server: Server) -> None:
    kiali.graph = {"elements": {}}
    result = read(kiali_url=server.url)
    assert result["failed"] is True
    assert result["msg"] == f"Kiali at {server.url} gave a graph that cannot be read: it lacks 'nodes'"


def test_a_graph_without_edges_asks_what_may_be_missing(read: Call, kiali: Kiali, server: Server) -> None:
    kiali.graph = graph([], [])
    result = read(kiali_url=server.url, source_namespaces=[], duration=300)
    assert (
        "saw 0 edges of namespace shop in the last 300 s: were requests sent, does its Prometheus read" in result["msg"]
    )
    assert (result["edges"], kiali.asked[-1][1]["namespaces"]) == ([], "shop")


def test_one_that_is_not_there_is_told(read: Call) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/kiali"
        result = read(kiali_url=url)
    assert result["failed"] is True
    assert f"Kiali at {url} cannot be asked: " in result["msg"]
    assert "Connection refused; is its url right, and is it up?" in result["msg"]


def test_one_that_is_silent_is_not_waited_for_long(read: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = read(kiali_url=f"http://127.0.0.1:{silent.getsockname()[1]}", kiali_timeout=0.2)
    assert "cannot be asked: no answer within 0.2 s; is its url right, and is it up?" in result["msg"]


def test_one_that_speaks_no_tls_is_told(read: Call, server: Server) -> None:
    result = read(kiali_url=server.url.replace("http", "https"))
    assert "does canary_kiali_ca (kiali_ca_cert) name its authority?" in result["msg"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, by itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kiali")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "kiali.pem"
    file.write_bytes(pem)
    return file


@pytest.mark.parametrize("options", [{"trusted": True}, {"kiali_validate_certs": False}, {}])
def test_its_certificate_must_be_known(read: Call, server: Server, certificate: Path, options: dict[str, Any]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    known = {"kiali_ca_cert": str(certificate)} if options.pop("trusted", False) else {}
    result = read(kiali_url=server.url.replace("http", "https"), **known, **options)
    if known or options:
        assert len(result["edges"]) == 3, result["msg"]
    else:
        assert "self-signed certificate" in result["msg"]
        assert "does canary_kiali_ca (kiali_ca_cert) name its authority?" in result["msg"]


def test_certificates_that_are_not_there_are_told(read: Call) -> None:
    result = read(kiali_url="https://127.0.0.1/kiali", kiali_ca_cert="/nowhere/ca.pem")
    assert (
        "/nowhere/ca.pem, the canary_kiali_ca (kiali_ca_cert) for Kiali at https://127.0.0.1/kiali, cannot be read: "
        in result["msg"]
    )


def test_all_mistakes_at_once(read: Call) -> None:
    result = read(kiali_url="kiali.example.com", duration=0, kiali_timeout=0)
    assert result["failed"] is True
    assert result["msg"].split("; ") == [
        "kiali_url must be a URL such as http://kiali.example.com/kiali, and is 'kiali.example.com'",
        "duration must be at least 1 second, and is 0",
        "kiali_timeout must be above 0, and is 0",
    ]
    assert "must be a URL" in read(kiali_url="http://kiali:many")["msg"]


class KialiPod(Pod):
    """A pod that serves Kiali on the port it forwards."""

    def __init__(self, kiali: Kiali, **fields: Any) -> None:
        self.kiali = kiali
        super().__init__("kiali-1", "istio-system", {"app": "kiali"}, **fields)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.server.stop()
        self.server = Server(self.kiali)  # type: ignore[assignment]


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        ports = [{"name": "http", "port": 20001, "targetPort": 8020}]
        mesh.services["kiali"] = {"selector": {"app": "kiali"}, "ports": ports}
        yield mesh


@pytest.fixture
def inside(read: Call, mesh: Mesh) -> Call:
    return lambda **options: read(host=mesh.url, api_key="secret", **options)


def test_in_the_cluster_it_is_read_over_a_port_forward(inside: Call, kiali: Kiali, mesh: Mesh) -> None:
    mesh.add(KialiPod(kiali, ready=False))
    mesh.pods[0].name = "kiali-0"
    mesh.add(KialiPod(kiali))
    result = inside()
    assert result["msg"] == "Kiali of Service istio-system/kiali saw 3 edges of namespace shop in the last 60 s"
    assert result["command"] == FROM_HERE
    assert result["graph_url"].startswith("http://localhost:20001/kiali/console/graph/namespaces?")
    assert mesh.asked("kiali-1/portforward") == 1
    assert mesh.asked("kiali-0/portforward") == 0


def test_in_the_cluster_it_takes_a_token_too(inside: Call, kiali: Kiali, mesh: Mesh) -> None:
    kiali.token = TOKEN
    mesh.add(KialiPod(kiali))
    assert len(inside(kiali_token=TOKEN)["edges"]) == 3
    assert inside()["msg"].startswith("Kiali of Service istio-system/kiali needs a token")


def test_who_may_not_forward_is_told_what_it_takes(inside: Call, kiali: Kiali, mesh: Mesh) -> None:
    mesh.add(KialiPod(kiali, refusal=(403, "pods is forbidden")))
    result = inside()
    assert "`get` and `create` on `pods/portforward` in namespace istio-system" in result["msg"]
    assert result["command"] == FROM_HERE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mesh: mesh.services.clear(), "Service istio-system/kiali in http://127.0.0.1:"),
        (lambda mesh: mesh.services.clear(), "does not exist: name another one, set canary_kiali_url (kiali_url)"),
        (lambda mesh: None, "has no ready pod: see why by 'kubectl get pods -n istio-system -l app=kiali "),
    ],
)
def test_what_is_missing_in_the_cluster_is_told(
    inside: Call, mesh: Mesh, change: Callable[[Mesh], None], words: str
) -> None:
    change(mesh)
    result = inside()
    assert result["failed"] is True
    assert words in result["msg"]
    assert ("graph_url" in result) == bool(mesh.services)


def test_a_port_that_the_service_lacks_is_told(inside: Call, kiali: Kiali, mesh: Mesh) -> None:
    mesh.add(KialiPod(kiali))
    assert "it has no port 9090; its ports are: 20001 (http)" in inside(service_port="9090")["msg"]


@pytest.mark.parametrize(
    ("port", "number"),
    [
        ({"port": 20001}, 20001),
        ({"port": 80, "targetPort": 20001}, 20001),
        ({"port": 80, "targetPort": "api-port"}, 20002),
    ],
)
def test_a_port_of_a_service_is_found_in_its_pod(port: dict[str, Any], number: int) -> None:
    containers = [{}, {"ports": [{"name": "api-port", "containerPort": 20002}]}]
    assert kiali_graph_info.target_port(port, {"spec": {"containers": containers}}) == number


def test_a_person_is_told_the_shortest_way(
    inside: Call, kiali: Kiali, mesh: Mesh, istioctl: dict[str, str | None]
) -> None:
    istioctl["istioctl"] = "/usr/bin/istioctl"
    mesh.add(KialiPod(kiali))
    assert inside()["command"] == "istioctl dashboard kiali --port 20001"


def test_the_way_names_the_cluster() -> None:
    fixed = {"kubeconfig": "/etc/my kube", "context": "prod", "service_port": "20001"}
    place = {"service_namespace": "istio-system", "service": "kiali"}
    assert kiali_graph_info.forwarding({**fixed, **place}, True) == (
        "istioctl dashboard kiali --kubeconfig '/etc/my kube' --context prod --port 20001"
    )
    elsewhere = {**fixed, **place, "service_namespace": "mesh"}
    assert kiali_graph_info.forwarding(elsewhere, True) == (
        "kubectl --kubeconfig '/etc/my kube' --context prod port-forward -n mesh service/kiali 20001:20001"
    )
