"""The table at the end of a playbook: a row for each version of every service, also of one that failed."""

from __future__ import annotations

import json

from patient import NAMESPACE, WORLD


def table(output: str) -> list[list[str]]:
    """The rows below the headings, until Ansible goes on."""
    lines = output.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("service  "))
    end = next(index for index, line in enumerate(lines[begin:], begin) if line.startswith(("ok: ", "PLAY")))
    return [line.split() for line in lines[begin + 1 : end]]


def test_services_of_one_play_of_which_one_fails(play, tmp_path):
    estate = tmp_path / "hosts.json"
    services = {"gone": {"canary_namespace": "nowhere"}, "shop": {"canary_version_path": "/version"}}
    estate.write_text(json.dumps({"canaries": {"hosts": services, "vars": WORLD}}))
    run = play("canary", "-i", str(estate), weight=20)
    assert run.code == 2, run.output
    assert run.output.count("service  ") == 1, "one table for all"
    gone, why, stable, canary, *done = table(run.output)
    assert (gone[0], gone[-1]) == ("gone", "failed")
    assert " ".join(why).startswith("! namespace nowhere does not exist")
    assert stable[:4] == ["shop", "blue", "80", "%"]
    assert canary[:3] == ["green", "20", "%"]
    shares = [float(row[row.index("%") + 1]) for row in (stable, canary)]
    assert sum(shares) == 100
    assert " ".join(done[0]).startswith(f"VirtualService {NAMESPACE}/"), done
    assert canary[-1] in ("weighted", "3"), canary  # with the step, if steps were gone before


def test_status_tells_what_comes_next(play):
    rows = table(play("status", **WORLD).succeeded().output)
    assert [" ".join(row).split(" ")[0] for row in rows[:2]] == [f"{NAMESPACE}/checkout", "green"]
    assert ["ready", "pods:", "blue", "1", "of", "1,", "green", "1", "of", "1"] in rows
