# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.auth import ClusterError
from ansible_collections.progressive.istio.plugins.module_utils._k8s.client import Cluster, connect
from ansible_collections.progressive.istio.plugins.module_utils._k8s.portforward import Stream
from loopback_mesh import Mesh, Pod, running


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with running() as mesh:
        yield mesh


def cluster(mesh: Mesh, **options: object) -> Cluster:
    return connect({"host": mesh.url, "api_key": "secret", **options})


def stream(mesh: Mesh, **options: object) -> closing[Stream]:
    return closing(Stream(cluster(mesh, **options), "gateways", "one", 15000))


def test_many_requests_take_one_forward(mesh: Mesh) -> None:
    pod = mesh.add(Pod("one", answers={"/ready": b"LIVE", "/long": b"x" * 70_000}))
    with stream(mesh) as open_:
        assert [open_.get(path) for path in ("/ready", "/long?a=b", "/ready")] == [b"LIVE", b"x" * 70_000, b"LIVE"]
    assert pod.server.asked == ["/ready", "/long?a=b", "/ready"]
    assert [path for path, _headers in mesh.requests] == ["/api/v1/namespaces/gateways/pods/one/portforward"]


def test_several_paths_are_asked_for_at_once(mesh: Mesh) -> None:
    """Before the first one is answered; and they share their connection with all others."""
    pod = mesh.add(Pod("one", answers={"/a": b"a" * 70_000, "/b": b"b", "/c": b"c"}))
    with stream(mesh) as open_:
        for _time in range(2):
            assert open_.get_all(["/a", "/b"]) == {"/a": b"a" * 70_000, "/b": b"b"}
            assert open_.get("/c") == b"c"
        mesh.cut()
        assert open_.get_all(["/b", "/a", "/c"])["/c"] == b"c"
        with pytest.raises(ClusterError, match=r"GET /no at .* was answered with 404"):
            open_.get_all(["/b", "/no", "/c"])
        assert open_.get("/c") == b"c"
    assert pod.server.asked[:6] == ["/a", "/b", "/c"] * 2
    assert mesh.asked("portforward") == 2


def test_a_server_that_hangs_up_on_several_requests_is_asked_one_by_one(mesh: Mesh) -> None:
    pod = mesh.add(Pod("one", answers={"/a": b"a", "/b": b"b"}))
    pod.server.one_by_one = True
    with stream(mesh) as open_:
        for _hung_up in range(2):
            with suppress(ClusterError):
                open_.get_all(["/a", "/b"])
        answers = open_.get_all(["/a", "/b"])
        assert answers == {"/a": b"a", "/b": b"b"}
        connections = mesh.asked("portforward")
        assert open_.get_all(["/b", "/a"])["/a"] == b"a"
        assert mesh.asked("portforward") == connections


def test_a_connection_that_is_cut_late_is_made_anew_with_the_whole_time(mesh: Mesh) -> None:
    pod = mesh.add(Pod("one", answers={"/": b"here"}))
    with stream(mesh) as open_:
        open_.get("/")
        mesh.delay = 0.6
        frozen = threading.Event()
        pod.server.answers["/slow"] = lambda _: b"late" if mesh.asked("portforward") > 1 or frozen.wait(30) else b""
        threading.Timer(0.7, mesh.cut).start()
        assert open_.get("/slow", timeout=1) == b"late"
        frozen.set()


def test_it_asks_as_the_one_who_was_named(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/": b"here"}))
    with stream(mesh, impersonate_user="me", impersonate_groups=["a", "b"]) as open_:
        open_.get("/")
    headers = mesh.requests[0][1]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Impersonate-User"] == "me"
    assert headers.get_all("Impersonate-Group") == ["a", "b"]


def test_an_api_server_may_have_a_path(mesh: Mesh) -> None:
    mesh.prefix = "/k8s/clusters/c-1"
    mesh.add(Pod("one", answers={"/": b"here"}))
    with stream(mesh) as open_:
        assert open_.get("/") == b"here"


def test_open_connects_and_asks_nothing(mesh: Mesh) -> None:
    pod = mesh.add(Pod("one", answers={"/": b"here"}))
    with stream(mesh) as open_:
        open_.open()
        assert (mesh.asked("portforward"), pod.server.asked) == (1, [])
        open_.get("/")
    assert mesh.asked("portforward") == 1


def test_an_empty_frame_says_nothing(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/": b"here"}, empty_frames=True))
    with stream(mesh) as open_:
        assert open_.get("/") == b"here"


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 many\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"\0\xff\r\n\r\n"]
)
def test_what_is_no_answer_to_an_upgrade_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def speak() -> None:
            client, _address = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        threading.Thread(target=speak, daemon=True).start()
        here = connect({"host": url, "api_key": "secret"})
        with (
            closing(Stream(here, "gateways", "one", 15000)) as open_,
            pytest.raises(ClusterError, match="at port 15000 of pod gateways/one"),
        ):
            open_.get("/")


def test_a_forward_that_was_closed_while_idle_is_made_anew(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/": b"here"}))
    with stream(mesh) as open_:
        open_.get("/")
        mesh.cut()
        assert open_.get("/") == b"here"
    assert mesh.asked("portforward") == 2


def test_a_pod_that_does_not_answer(mesh: Mesh) -> None:
    frozen = threading.Event()
    mesh.add(Pod("one", answers={"/": lambda _: b"late" if frozen.wait(30) else b""}))
    with stream(mesh) as open_:
        begin = time.monotonic()
        with pytest.raises(ClusterError, match=r"no answer within 0\.1 s at port 15000 of pod gateways/one in "):
            open_.get("/", timeout=0.1)
        assert time.monotonic() - begin < 10
        frozen.set()
        assert open_.get("/") == b"late"  # by a new forward: the old one still holds the first answer


@pytest.mark.parametrize(
    ("refusal", "status", "said"),
    [
        (
            (403, "pods is forbidden"),
            403,
            r"the port-forward to port 15000 of pod gateways/one in .* was refused: pods is forbidden "
            r"\(403 Forbidden\); it needs the verbs `get` and `create` on `pods/portforward` in namespace gateways",
        ),
        ((404, 'pods "one" not found'), 404, r'was refused: pods "one" not found \(404 NotFound\)$'),
        ((500, "error dialing backend"), 500, r"was refused: error dialing backend \(500\)$"),
        ((302, "moved"), None, "Redirect"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_api_server(
    mesh: Mesh, refusal: tuple[int, str], status: int | None, said: str
) -> None:
    mesh.add(Pod("one", refusal=refusal))
    with stream(mesh) as open_:
        for attempt in (open_.open, lambda: open_.get("/")):
            with pytest.raises(ClusterError, match=said) as caught:
                attempt()
            assert caught.value.status == status
    assert not mesh.asked("elsewhere")  # with these credentials


def test_a_port_that_is_closed(mesh: Mesh) -> None:
    mesh.add(Pod("one", broken="connect: connection refused"))
    with (
        stream(mesh) as open_,
        pytest.raises(ClusterError, match="connection refused at port 15000 of pod gateways/one"),
    ):
        open_.get("/")


def test_an_answer_that_is_no_success(mesh: Mesh) -> None:
    mesh.add(Pod("one"))
    with (
        stream(mesh) as open_,
        pytest.raises(ClusterError, match=r"GET /no at .* was answered with 404: no such path$"),
    ):
        open_.get("/no")


def test_an_api_server_that_is_down(mesh: Mesh) -> None:
    here = cluster(mesh)
    mesh.stop()
    with closing(Stream(here, "gateways", "one", 15000)) as open_, pytest.raises(ClusterError, match="refused at port"):
        open_.get("/")


class Proxy(threading.Thread):
    """An HTTP proxy that tunnels one connection."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(daemon=True)
        self.answer = answer
        self.asked = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        client, _address = self.listener.accept()
        while not self.asked.endswith(b"\r\n\r\n"):
            self.asked += client.recv(1)
        client.sendall(self.answer + b"\r\n\r\n")
        host, port = self.asked.split()[1].decode().split(":")
        with client, socket.create_connection((host, int(port))) as target:
            threading.Thread(target=self.carry, args=(target, client), daemon=True).start()
            self.carry(client, target)

    @staticmethod
    def carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)


def test_through_a_proxy(mesh: Mesh) -> None:
    mesh.add(Pod("one", answers={"/": b"here"}))
    proxy = Proxy(b"HTTP/1.1 200 Connection established")
    with stream(mesh, proxy=proxy.url, proxy_headers={"proxy_basic_auth": "me:secret"}) as open_:
        assert open_.get("/") == b"here"
    assert proxy.asked.startswith(f"CONNECT 127.0.0.1:{mesh.server_port} HTTP/1.1\r\n".encode())
    assert b"\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n" in proxy.asked


def test_through_the_proxy_of_the_environment(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.add(Pod("one", answers={"/": b"here"}))
    proxy = Proxy(b"HTTP/1.1 200 Connection established")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with stream(mesh) as open_:
        assert open_.get("/") == b"here"
    assert proxy.asked.startswith(f"CONNECT 127.0.0.1:{mesh.server_port} HTTP/1.1\r\n".encode())


def test_a_proxy_that_refuses(mesh: Mesh) -> None:
    proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required")
    said = r"proxy 127\.0\.0\.1:\d+ answered 407 Proxy Authentication Required at port 15000"
    with stream(mesh, proxy=proxy.url) as open_, pytest.raises(ClusterError, match=said):
        open_.get("/")
