"""A scheduler that runs `advance.yml` again and again: what it moves, how it ends, and what its mail says."""

from __future__ import annotations

import re
from time import sleep

from molecule_helpers import Run
from scheduler import ended

STEPS = [20, 40, 60, 80, 100]


def line(run: Run) -> str:
    """The line below the service in the table that says what was done, or why it does not go on."""
    notes = re.findall(r"^  (?:! )?(\S.*)$", run.output, re.MULTILINE)
    (found,) = {note for note in notes if not note.startswith("counted at ")}
    return found


def test_five_runs_end_at_a_hundred_percent(scheduler, service):
    catalog = service("catalog")
    for number, weight in enumerate(STEPS, 1):
        run = scheduler.run("catalog").succeeded()
        assert catalog.weights == {"v1": 100 - weight, "v2": weight}
        assert re.search(
            rf"v2: .*from {weight - 20} to {weight} %.*now v1 {100 - weight} %, v2 {weight} %", line(run)
        ), line(run)
        assert run.changed == 1, (number, run.output)
    assert catalog.info["phase"] == "promoted"
    sixth = scheduler.run("catalog").succeeded()
    assert sixth.changed == 0
    assert "v2 has all requests" in line(sixth)
    assert "nothing to do" in line(sixth)


def test_a_run_that_comes_too_early_does_nothing(scheduler, service):
    catalog = service("catalog")
    scheduler.run("catalog").succeeded()
    early = scheduler.run("catalog", "-e canary_interval=3600 -e canary_watch=1").succeeded()
    assert early.changed == 0
    assert catalog.weights == {"v1": 80, "v2": 20}
    assert re.search(r"soaks until \S+, \d+ s from now", line(early)), line(early)


def test_an_inventory_that_cannot_be_read_ends_the_run(scheduler, tmp_path):
    """Else it would count as none, and the run would be for localhost."""
    unreadable = tmp_path / "hosts.yml"
    unreadable.write_text("canaries: [")
    run = scheduler.run("catalog", f"-i {unreadable}")
    assert run.code == 1, run.output
    assert "PLAY [" not in run.output
    assert str(unreadable) in run.output


def test_of_two_runs_at_once_one_moves_it(scheduler, service):
    catalog = service("catalog")
    both = [scheduler.start("catalog", "-e canary_interval=20") for _ in range(2)]
    lost, won = sorted(map(ended, both), key=lambda run: run.changed)
    assert (won.code, won.changed) == (0, 1), won.output
    assert (lost.code, lost.changed) == (2, 0), lost.output
    assert "is held by" in line(lost), line(lost)
    assert catalog.weights == {"v1": 80, "v2": 20}


def test_a_failing_gate_ends_rolled_back_and_stays_so(scheduler, service):
    cart = service("cart")
    sleep(2)  # until stable has shown what it does
    failed = scheduler.run("cart")
    assert failed.code == 2, failed.output
    assert cart.weights == {"v1": 100, "v2": 0}
    assert cart.info["phase"] == "rolled_back"
    assert re.search(r"failed, from 20 back to 0 %: .*\d+ of \d+ requests to v2 ", line(failed)), line(failed)
    again = scheduler.run("cart")
    assert (again.code, again.changed) == (2, 0), again.output
    assert cart.weights == {"v1": 100, "v2": 0}
    assert "rolled back" in line(again), line(again)
    assert "release another canary" in line(again), line(again)
