"""The input of every measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.service import Service
from lab.progress import Progress

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Bench:
    """One run of the bench. rounds: repetitions; port: of the gateway, on loopback."""

    rounds: int
    progress: Progress
    service: Service
    port: int
