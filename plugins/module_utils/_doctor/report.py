# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis as text for a terminal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from .._common.text import plural
from .._preflight.finding import ERROR, WARNING, Finding
from .diagnosis import Diagnosis, Problem

Line = dict[str, str]

OK, COMMAND, PLAIN = "ok", "command", "plain"  # tones of a line, beside error and warning
_WIDTH = 118
_INDENT = 13
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def verdict(diagnosis: Diagnosis) -> str:
    """The diagnosis in one sentence."""
    wrong = [each.finding for each in diagnosis.errors]
    if wrong:
        return f"{_headline(diagnosis)}: {'; '.join(f'{each.place} {each.problem}' for each in wrong)}"
    rest = f"; not everything could be checked: {'; '.join(diagnosis.unseen)}" if diagnosis.unseen else ""
    return f"{_headline(diagnosis)}: {diagnosis.status}{rest}"


def lines(diagnosis: Diagnosis, command: Callable[[str], str]) -> list[Line]:
    """One line if all is well, else what is wrong, since when, and the remedy. command: names the cluster in one."""
    if not diagnosis.problems and not diagnosis.unseen:
        return [_line(verdict(diagnosis), OK)]
    tone = ERROR if diagnosis.errors else WARNING
    found = [_line(_headline(diagnosis), tone), _line(f"{' ' * 5}{diagnosis.status}")]
    for number, problem in enumerate(diagnosis.problems, 1):
        found += [_line(""), *_numbered(number, problem, diagnosis.at, command)]
    if diagnosis.unseen:
        found += [_line(""), _line("Not checked:", WARNING)]
        found += [_line(line, WARNING) for each in diagnosis.unseen for line in _wrapped(each, "  - ", " " * 4)]
    return found


def _headline(diagnosis: Diagnosis) -> str:
    errors = len(diagnosis.errors)
    warnings = len(diagnosis.problems) - errors
    wrong = {0: "Nothing is wrong", 1: "1 thing is wrong"}.get(errors, f"{errors} things are wrong")
    more = f" ({plural(warnings, 'warning')})" if warnings else ""
    return f"{wrong} with {diagnosis.place}{more}"


def _numbered(number: int, problem: Problem, now: datetime, command: Callable[[str], str]) -> Iterator[Line]:
    finding, head = problem.finding, f"{number:3d}. "
    sentence = f"{finding.place} {finding.problem}"
    yield from (_line(text, finding.severity) for text in _wrapped(sentence, head, " " * len(head)))
    yield from _field("since", _since(finding, now))
    for event in problem.events:
        times = f" ({event.times} times)" if event.times > 1 else ""
        yield from _field("event", f"{_when(event.at, now)}: {event.reason}{times}: {event.message}")
    yield from _field("remedy", finding.remedy)
    if finding.command:
        yield _line(f"{' ' * _INDENT}{command(finding.command)}", COMMAND)
    yield from _field("check", finding.check)


def _since(finding: Finding, now: datetime) -> str:
    since = finding.since
    if since is None:
        return "unknown: no object has the time"
    return f"{'not before ' if since.later else ''}{_when(since.at, now)} ({since.source})"


def _when(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {ago((now - moment).total_seconds())}"


def _field(name: str, text: str) -> Iterator[Line]:
    yield from (_line(line) for line in _wrapped(text, f"     {name.ljust(_INDENT - 5)}", " " * _INDENT))


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )


def _line(text: str, tone: str = PLAIN) -> Line:
    return {"text": text, "tone": tone}


def ago(seconds: float) -> str:
    """How long ago, in the two greatest units, such as "3 min 5 s ago"."""
    parts, rest = [], int(seconds)
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        parts += [f"{number} {unit}"] if number else []
    return f"{' '.join(parts[:2]) or '0 s'} ago"
