# SPDX-License-Identifier: GPL-3.0-or-later
"""What the annotation of a VirtualService says that follows another one, its leader, which has the state. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .._common.shares import Share, exact, rest_of
from .._common.values import from_json
from .cleanup import OVER
from .state import Phase, State

VERSION = 3  # of the annotation; a reader that does not know it refuses


@dataclass(frozen=True)
class Following:
    """The release as the last write of the follower left it.

    leader: namespace/name. host: of the versions. weight: percent of the requests that go to the canary. run: that
    which wrote.
    """

    leader: str
    host: str
    stable: str
    canary: str
    weight: Share
    phase: Phase
    run: str

    @classmethod
    def of(cls, leader: str, host: str, state: State) -> Following:
        """A follower in line with this state of its leader."""
        return cls(leader, host, state.stable, state.canary, state.weight, state.phase, state.run)

    @property
    def weights(self) -> dict[str, Share]:
        """Percent by version, as written."""
        return {self.stable: rest_of(self.weight), self.canary: self.weight}

    @property
    def over(self) -> bool:
        """Whether the release was over then, so that others may release it."""
        return self.phase in OVER

    def matches(self, weights: Mapping[str, Share]) -> bool:
        """Whether a route with these percents by version is as it was written. Absent is 0."""
        written = self.weights
        return all(weights.get(name, 0) == written.get(name, 0) for name in {*written, *weights})

    def encode(self) -> str:
        """The text of the annotation."""
        weights = {"stable": rest_of(self.weight), "canary": self.weight}
        decimals = {name: share if isinstance(share, int) else float(share) for name, share in weights.items()}
        return json.dumps(
            {
                "version": VERSION,
                "leader": self.leader,
                "host": self.host,
                "stable": self.stable,
                "canary": self.canary,
                "phase": self.phase.value,
                "weights": decimals,
                "run": self.run,
            },
            separators=(",", ":"),
        )


def read_following(text: str | None) -> Following | None:
    """What a text says of a leader; None where it is no such annotation."""
    try:
        value = from_json(text or "")
        if not isinstance(value, dict) or value.get("version") != VERSION:
            return None
        leader, host, stable, canary, phase, run = (
            str(value[key]) for key in ("leader", "host", "stable", "canary", "phase", "run")
        )
        return Following(leader, host, stable, canary, exact(value["weights"]["canary"]), Phase(phase), run)
    except (KeyError, TypeError, ValueError):
        return None
