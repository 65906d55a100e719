# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is masked in the output, and what is not although it lies beside a secret."""

from __future__ import annotations

import pytest
from ansible_collections.progressive.istio.plugins.module_utils._common.secrets import (
    HIDDEN,
    concealed,
    leaves,
    mappings,
    password_in,
    secrets_in,
)

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "prod",
    "clusters": [
        {
            "name": "one",
            "cluster": {
                "server": "https://one",
                "certificate-authority-data": "Q0EtREFUQQ==",
                "proxy-url": "http://joe:pr0xypw@proxy:3128",
            },
        }
    ],
    "contexts": [{"name": "prod", "context": {"cluster": "one", "user": "jane", "namespace": "shop"}}],
    "users": [
        {"name": "jane", "user": {"token": "t0k3n", "tokenFile": "/run/token", "client-key": "/home/jane/key.pem"}},
        {"name": "cert", "user": {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZS0VZ"}},
        {"name": "basic", "user": {"username": "joe", "password": "passw0rd"}},
        {
            "name": "sso",
            "user": {
                "auth-provider": {
                    "name": "oidc",
                    "config": {"id-token": "1d-t0k3n", "refresh-token": "r3fr3sh", "client-secret": "s3cr3t"},
                },
                "exec": {
                    "command": "aws",
                    "args": ["get-token", "prod"],
                    "env": [
                        {"name": "AWS_PROFILE", "value": "prod"},
                        {"name": "AWS_SECRET_ACCESS_KEY", "value": "4w5k3y"},
                    ],
                },
            },
        },
    ],
}


def test_of_a_kubeconfig_its_secrets_are_secret_and_nothing_else() -> None:
    assert secrets_in(KUBECONFIG) == {
        "Q0EtREFUQQ==",
        "pr0xypw",
        "t0k3n",
        "Q0VSVA==",
        "S0VZS0VZ",
        "passw0rd",
        "1d-t0k3n",
        "r3fr3sh",
        "s3cr3t",
        "4w5k3y",
    }


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ({"Authorization": "Bearer abcdefghij"}, {"Bearer abcdefghij", "abcdefghij"}),
        ({"X-Auth-Token": "abcdef", "X-Api-Key": 123456, "apikey": "k-1234"}, {"abcdef", "123456", "k-1234"}),
        (
            {"Cookie": "session=1", "X-Try": "true", "Host": "shop.test", "X-Monkey": "v1-x", "X-Author": "jane"},
            {"session=1"},
        ),
        ({"X-Auth-Token": "v1", "X-Session": None, "X-Token": True}, set()),
    ],
)
def test_of_headers_the_values_with_the_name_of_a_secret_are(headers: dict[str, object], secrets: set[str]) -> None:
    assert secrets_in(headers) == secrets


@pytest.mark.parametrize(
    ("url", "found"), [("http://a", set()), ("http://me:pw12@a:1", {"pw12"}), ("http://[a@", set()), ("me@host", set())]
)
def test_of_a_url_its_password_is(url: str, found: set[str]) -> None:
    assert password_in(url) == found


SPEC = {
    "kubeconfig": {"type": "raw", "no_log": True},
    "name": {"type": "str"},
    "analysis": {"type": "dict", "options": {"probe": {"type": "dict", "options": {"headers": {"no_log": True}}}}},
}


def test_how_a_module_was_called_is_shown_without_the_values() -> None:
    given = {
        "kubeconfig": KUBECONFIG,
        "name": "pong",
        "analysis": {"probe": {"headers": {"X-Try": "true"}, "url": "http://a"}},
    }
    assert concealed(SPEC, given) == {
        "kubeconfig": dict.fromkeys(KUBECONFIG, HIDDEN),
        "name": "pong",
        "analysis": {"probe": {"headers": {"X-Try": HIDDEN}, "url": "http://a"}},
    }
    assert list(mappings(SPEC, given)) == [KUBECONFIG, {"X-Try": "true"}]
    assert concealed(SPEC, {"kubeconfig": "/home/jane/config", "unknown": {"a": 1}, "analysis": None}) == {
        "kubeconfig": "/home/jane/config",
        "unknown": {"a": 1},
        "analysis": None,
    }


def test_everything_that_ansible_masks_is_found() -> None:
    assert set(leaves({"a": ["b", {"c": 1}], "d": None, "e": True})) == {"b", "1", "True"}
