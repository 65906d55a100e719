"""`python3 -m bench [--rounds N]`: measure everything on the lab's `bench` cluster, print a table, write bench.json."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial

from bench import machine, service
from bench.commands import BUILD, LOG
from bench.context import FOLDER, Bench
from bench.findings import Findings
from bench.measures import bad, fleet, footprint, live, lost, many, step
from bench.table import missed, table
from lab.cache import ROOT
from lab.cluster import Cluster
from lab.progress import LabError, Progress, duration

CLUSTER = "bench"
RESULTS = BUILD.parent / "bench.json"

# A measure is a module of `measures` with a function `measure`. They run in this order.
MEASURES: dict[str, tuple[str, Callable[[Bench], Findings]]] = {
    "step": ("Step cost: canary, kubernetes.core and kubectl in turn", step.measure),
    "fleet": ("Twenty services: one run of advance.yml", fleet.measure),
    "many": ("Sixty services: one task of canaries", many.measure),
    "footprint": ("Memory and import time of the module process", footprint.measure),
    "live": ("Time to live: what Envoy says of itself", live.measure),
    "bad": ("A bad canary: what users see of it", bad.measure),
    "lost": ("Lost requests: five scenes under load, by both", lost.measure),
}


def measured(measures: Collection[str], rounds: int) -> list[Findings]:
    """Run the measures and return their findings; all that they created is removed."""
    cluster = Cluster(CLUSTER, ROOT / "bin", "", own_images=True)
    port = cluster.loopback_port()
    if port is None:
        raise LabError(f"the lab's cluster '{CLUSTER}' does not run: 'make -C lab up CLUSTER={CLUSTER}'")
    progress = Progress(total=len(measures) + 2, log=LOG)
    bench = Bench(rounds, progress, service.Service(), port)
    remove = partial(service.remove, service.NAMESPACE, lost.PLAIN)
    with ExitStack() as cleanup:
        with progress.step("Set the service up by progressive.istio.site"):
            remove()
            cleanup.callback(remove)
            bench.service.set_up()
        findings = []
        for title, measure in (MEASURES[name] for name in measures):
            with progress.step(title):
                findings.append(measure(bench))
        with progress.step("Remove the namespaces"):
            cleanup.close()
    return findings


def report(findings: list[Findings], seconds: float, load: str) -> None:
    """Print the table and, after a whole run, write the numbers."""
    where = machine.described(load)
    print(f"\n{table(findings)}\n")
    for title, facts in where.items():
        print(f"{title}: {', '.join(f'{name} {value}' for name, value in facts.items())}")
    print(f"measured in {duration(seconds)}")
    if len(findings) == len(MEASURES):
        numbers = {key: value for each in findings for key, value in each.numbers.items()}
        RESULTS.write_text(json.dumps({**numbers, **where, "bench_seconds": round(seconds)}, indent=2) + "\n")
        print(f"The numbers are in {RESULTS.relative_to(FOLDER.parent)}.")
    if late := missed(findings):
        print(f"Not reached: {'; '.join(late)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="how often a step is repeated (default: %(default)s)")
    parser.add_argument("--only", choices=MEASURES, help="one measure; no numbers are written then")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    begin, load = time.monotonic(), machine.busy()
    try:
        findings = measured([arguments.only] if arguments.only else MEASURES, arguments.rounds)
        report(findings, time.monotonic() - begin, load)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip() or "it said nothing"
        print(f"bench: '{' '.join(map(str, error.cmd))}' ended with {error.returncode}: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was measured to its end", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
