"""What a measure found: rows for people, numbers for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One line of the table. reached: whether the collection's own value reaches the aim; None where there is none."""

    what: str
    ours: str
    kubernetes_core: str = ""
    kubectl: str = ""
    aim: str = ""
    reached: bool | None = None


@dataclass(frozen=True)
class Findings:
    """The rows of one measure under its title, and its keys in bench.json."""

    title: str
    rows: tuple[Row, ...]
    numbers: Mapping[str, object] = field(default_factory=dict)
