"""The findings of a measure: rows of the table and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A row of the table. reached: whether the collection's value reaches the aim; None without an aim."""

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
