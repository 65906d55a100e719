# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy is taken: the one that kubernetes.core's tasks take, by the library's own code."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._k8s.http_proxy import is_excepted, proxy_for

HTTPS, HTTP, ALL = "http://secure:3128", "http://plain:3128", "http://all:3128"
VARIABLES = [f"{name}{end}" for name in ("https", "http", "all", "no") for end in ("_proxy", "_PROXY")]
VARIABLES = [*VARIABLES, *(each.upper() for each in VARIABLES)]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "server", "proxy"),
    [
        ({}, "https://api", ""),
        ({"HTTPS_PROXY": HTTPS, "HTTP_PROXY": HTTP}, "https://api", HTTPS),
        ({"HTTPS_PROXY": HTTPS, "HTTP_PROXY": HTTP}, "http://api", HTTP),
        ({"https_proxy": HTTPS, "HTTPS_PROXY": HTTP}, "https://api", HTTPS),
        ({"HTTP_PROXY": HTTP}, "https://api", ""),
        ({"ALL_PROXY": ALL}, "https://api", ALL),
        ({"HTTPS_PROXY": HTTPS, "NO_PROXY": "api"}, "https://api:6443", ""),
        ({"https_proxy": HTTPS, "no_proxy": "example.com"}, "https://k8s.example.com", ""),
        ({"HTTPS_PROXY": HTTPS, "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3:6443", ""),
    ],
)
def test_the_environment_counts_as_it_does_for_the_library(
    environment: dict[str, str], server: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(server, "", None) == proxy
    from kubernetes.client import Configuration
    from kubernetes.client.rest import should_bypass_proxies

    library = Configuration()
    library.host = server
    bypassed = should_bypass_proxies(server, library.no_proxy or "")
    assert ("" if bypassed else library.proxy or "") == proxy


def test_an_explicit_proxy_goes_first_and_exceptions_hold_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", HTTPS)
    monkeypatch.setenv("NO_PROXY", "api")
    assert proxy_for("https://other", ALL, None) == ALL
    assert proxy_for("https://api", ALL, None) == ""
    assert proxy_for("https://api", ALL, "other") == ALL
    assert proxy_for("https://api", ALL, "") == ALL


@pytest.mark.parametrize(
    ("server", "excepted", "expected"),
    [
        ("https://api.example.com:6443", "*", True),
        ("https://api.example.com:6443", "other, example.com", True),
        ("https://api.example.com:6443", ".example.com", True),
        ("https://api.example.com:6443", "api.example.com:6443", True),
        ("https://api.example.com:6443", "api.example.com:443", False),
        ("https://API.example.com", "api.EXAMPLE.com", True),
        ("https://myexample.com", "example.com", False),
        ("https://10.0.0.1:6443", "10.0.0.0/8", True),
        ("https://10.0.0.1:6443", "10.0.0.1", True),
        ("https://11.0.0.1:6443", "10.0.0.0/8,192.168.1.1", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://10.0.0.1", "10.0.0.0/99,,nonsense/8", False),
        ("https://api", "", False),
    ],
)
def test_an_exception_is_a_host_a_domain_or_a_network(server: str, excepted: str, expected: bool) -> None:
    from kubernetes.client.rest import should_bypass_proxies

    assert is_excepted(server, excepted) is expected
    assert should_bypass_proxies(server, excepted) is expected
