# SPDX-License-Identifier: GPL-3.0-or-later
"""Which HTTP proxy is used for a server, by the rules of the `kubernetes` library, so that all tasks use the same.

An explicit proxy (an option or the kubeconfig's proxy-url) overrides HTTPS_PROXY, HTTP_PROXY and ALL_PROXY in upper or
lower case, by the scheme of the server; NO_PROXY, or an option instead of it, excepts servers from all of them.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # not in typeshed


def proxy_for(server: str, explicit: str, excepted: str | None) -> str:
    """The URL of the proxy, or "" for none. excepted: hosts, domains and networks; None means those of NO_PROXY."""
    environment = getproxies_environment()
    proxy = explicit or environment.get(urlsplit(server).scheme) or environment.get("all") or ""
    return "" if is_excepted(server, environment.get("no", "") if excepted is None else excepted) else proxy


def is_excepted(server: str, excepted: str) -> bool:
    """Whether a server matches one of the entries: `*`, a host, a domain with all below it, HOST:PORT or a network."""
    parts = urlsplit(server)
    place = parts.netloc.rpartition("@")[2]
    entries = [entry.strip() for entry in excepted.split(",")]
    return any(proxy_bypass_environment(place, {"no": each}) or _within(parts.hostname or "", each) for each in entries)


def _within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
