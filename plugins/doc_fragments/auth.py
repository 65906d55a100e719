# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment `auth`: the options of all modules that talk to the API server."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig, several paths joined by C(:), or the kubeconfig itself as a dictionary.
      - Without it, and without O(host) and O(context), the service account of the pod is used when the module runs in
        one, else what the E(KUBECONFIG) variable names, else C(~/.kube/config).
    type: raw
  context:
    description: Name of the context to use from the kubeconfig. The default is its current context.
    type: str
  host:
    description: URL of the API server.
    type: str
  api_key:
    description: Bearer token for the API server.
    type: str
  username:
    description: User name for basic authentication, which a proxy in front of the API server may ask for.
    type: str
  password:
    description: Password for basic authentication.
    type: str
  validate_certs:
    description: Whether the certificate of the API server must be valid. Default is the kubeconfig, else V(true).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: File with the certificates of the authorities to trust, in PEM.
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: File with the client certificate, in PEM.
    type: path
    aliases: [cert_file]
  client_key:
    description: File with the key of O(client_cert), in PEM.
    type: path
    aliases: [key_file]
  proxy:
    description:
      - URL of the HTTP proxy to reach the API server by. The default is the C(proxy-url) of the kubeconfig, else what
        the E(HTTPS_PROXY), E(HTTP_PROXY) and E(ALL_PROXY) variables say, in upper or lower case.
      - SOCKS is not supported.
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks, separated by commas, that are reached without a proxy. The default is what the
        E(NO_PROXY) variable says.
    type: str
  proxy_headers:
    description: Headers for O(proxy).
    type: dict
    suboptions:
      proxy_basic_auth:
        description: C(name:password) for basic authentication at the proxy.
        type: str
      basic_auth:
        description: C(name:password) for basic authentication.
        type: str
      user_agent:
        description: The user agent, such as V(foo/1.0).
        type: str
  impersonate_user:
    description: User to act as.
    type: str
  impersonate_groups:
    description: Groups to act as a member of.
    type: list
    elements: str
notes:
  - Every option can also be set by the variable of its name or alias, such as E(K8S_AUTH_KUBECONFIG),
    E(K8S_AUTH_VERIFY_SSL) and E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH), in which commas separate the items of a list.
requirements:
  - Python 3.11 or newer where the module runs, which is Ansible's own Python if the connection is local.
  - Python library C(kubernetes), in the same Python. What it installs with it is enough for certificates, tokens and
    service accounts, C(urllib3) (2 or newer), C(PyYAML) and C(websocket-client).
"""
