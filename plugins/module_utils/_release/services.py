# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of several services, each with a release of its own, in the annotation of one VirtualService. Pure.

The annotation of one service is its state. That of several is {"version": 2, "services": {HOST: STATE}}, with full
names of hosts; a reader that knows version 1 alone refuses it. In place of a state may stand whom the VirtualService
follows with this service, see `following`. Where the versions are Services of their own, HOST is
all of theirs, separated by commas, and a release is the next one of the same service if they have one in common.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._common.values import from_json
from .._routing.hosts import ServiceName, identity, service_of
from .annotation import decode, encode
from .following import Following, read_following
from .state import State, Unreadable

VERSION = 2
HOST = "host"  # the field of a state that says which host it is of


@dataclass(frozen=True)
class Notes:
    """An annotation. namespace: of short hosts. texts: the states by host, None as the host for one that names none."""

    namespace: str
    texts: Mapping[str | None, str] = field(default_factory=dict)

    @property
    def hosts(self) -> list[str]:
        """The hosts that have a state."""
        return [host for host in self.texts if host is not None]

    @property
    def only(self) -> State | Unreadable | None:
        """The state of the only host that has one."""
        return _state(next(iter(self.texts.values()))) if len(self.texts) == 1 else None

    def of(self, host: str) -> State | Unreadable | None:
        """The state of a host."""
        return _state(self._text(host))

    def following(self, host: str) -> Following | None:
        """Whom it follows with a host."""
        return read_following(self._text(host))

    def written(self, host: str, state: State | Following, present: Collection[ServiceName | str]) -> str:
        """The annotation with this state of a host. present: the hosts that have routes; the states of others go."""
        key, text = _key(host, self.namespace), encode(state) if isinstance(state, State) else state.encode()
        others = {name: each for name, each in self.texts.items() if name and not self._is_same(name, host)}
        kept = {name: each for name, each in others.items() if identities(name, self.namespace) & set(present)}
        if not kept:
            return text
        states = {name: json.loads(each) for name, each in sorted({**kept, key: text}.items())}
        return json.dumps({"version": VERSION, "services": states}, separators=(",", ":"))

    def _text(self, host: str) -> str | None:
        return self.texts.get(next((each for each in self.hosts if self._is_same(each, host)), None))

    def _is_same(self, one: str, other: str) -> bool:
        return bool(identities(one, self.namespace) & identities(other, self.namespace))


def identities(host: str, namespace: str) -> set[ServiceName | str]:
    """What a host means, or each of several hosts separated by commas."""
    return {identity(each, namespace) for each in host.split(",")}


def read_notes(text: str | None, namespace: str) -> Notes:
    """The annotation of a VirtualService in this namespace."""
    if text is None:
        return Notes(namespace)
    services = _services(text)
    if services is not None:
        return Notes(namespace, {_key(host, namespace): json.dumps(state) for host, state in services.items()})
    following, state = read_following(text), decode(text)
    host = following.host if following else state.extra.get(HOST) if isinstance(state, State) else None
    return Notes(namespace, {_key(str(host), namespace) if host else None: text})


def _state(text: str | None) -> State | Unreadable | None:
    """The state; none where a release is over that the VirtualService has followed."""
    following = read_following(text)
    if following is None:
        return decode(text)
    return None if following.over else Unreadable(f"it follows VirtualService {following.leader}, which has the state")


def _key(host: str, namespace: str) -> str:
    """The full name of a host, one for all domains."""
    services = [(each, service_of(each, namespace)) for each in host.split(",")]
    return ",".join(f"{found.name}.{found.namespace}.svc.cluster.local" if found else each for each, found in services)


def _services(text: str) -> dict[str, Any] | None:
    """The states of several services by host; None where it is no such annotation."""
    try:
        value = from_json(text)
    except ValueError:
        return None
    services = value.get("services") if isinstance(value, dict) and value.get("version") == VERSION else None
    return services if isinstance(services, dict) else None
