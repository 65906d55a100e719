"""The findings as a table that fits a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.findings import Findings, Row

HEAD = ("progressive.istio", "kubernetes.core", "kubectl", "aim", "")
VERDICTS = {True: "reached", False: "MISSED", None: ""}


def table(findings: Iterable[Findings]) -> str:
    """Return one block per measure, with aligned columns."""
    blocks = [(each.title, [_cells(row) for row in each.rows]) for each in findings]
    lines = [cells for title, rows in blocks for cells in [(title, *HEAD), *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n\n".join(_block(title, rows, widths) for title, rows in blocks)


def missed(findings: Iterable[Findings]) -> list[str]:
    """Return the rows that miss their aim."""
    return [f"{each.title}: {row.what}" for each in findings for row in each.rows if row.reached is False]


def _cells(row: Row) -> tuple[str, ...]:
    return (f"  {row.what}", row.ours, row.kubernetes_core, row.kubectl, row.aim, VERDICTS[row.reached])


def _block(title: str, rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    head = _line((title, *HEAD), widths)
    return "\n".join([head, "-" * len(head), *(_line(cells, widths) for cells in rows)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
