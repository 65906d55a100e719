"""Install the tarball as a user does, and go through the tutorial and an estate of two services with it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ESTATE = Path(__file__).parent / "estate.yml"
ONE = {"canary_namespace": "packaged-one", "canary_gateway_hosts": ["packaged.test"]}


@pytest.fixture(scope="module")
def one(kube):
    return kube("packaged-one")


def test_it_is_found_where_collections_are(machine):
    listed = machine.run("ansible-galaxy", "collection", "list").succeeded().output
    assert re.search(r"^progressive\.istio +\d", listed, re.MULTILINE)
    assert str(machine.home / ".ansible" / "collections") in listed


def test_the_documentation_is_with_it(machine):
    listed = machine.run("ansible-doc", "--list", "--type", "module", "progressive.istio").succeeded().output
    modules = (Path(__file__).parents[3] / "plugins" / "modules").glob("*.py")
    assert {line.split()[0] for line in listed.splitlines()} == {
        f"progressive.istio.{module.stem}" for module in modules
    }


def test_site(machine, one, split):
    machine.play("site", **ONE).succeeded()
    assert one.weights() == {"v1": 100, "v2": 0}
    split(0, count=200, host="packaged.test")


def test_a_fifth(machine, one, split):
    run = machine.play("canary", "-e", "weight=20", **ONE).succeeded()
    assert run.changed == 1
    assert "live in gateway" in run.output
    assert one.weights() == {"v1": 80, "v2": 20}
    split(20, host="packaged.test")


def test_status(machine):
    assert re.search(r"packaged-one/.* v1 +80 %.*\n +v2 +20 %", machine.play("status", **ONE).succeeded().output)


def test_rollback(machine, one, split):
    assert machine.play("rollback", **ONE).succeeded().changed == 1
    assert one.weights() == {"v1": 100, "v2": 0}
    split(0, count=200, host="packaged.test")


def test_teardown(machine, one):
    machine.play("teardown", canary_drain=0, **ONE).succeeded()
    assert one.versions() == {}


# Once is enough for what has nothing to do with the ansible-core.
@pytest.mark.parametrize("machine", ["2.21"], indirect=True)
def test_an_estate_of_two_services(machine, kube, split):
    shutil.copy(ESTATE, machine.home / "inventory.yml")
    estate = ("-i", "inventory.yml")
    machine.play("site", *estate).succeeded()
    assert (
        machine.play("canary", *estate, "--limit", "cart", weight=20, canary_probe_requests=0).succeeded().changed == 1
    )
    assert kube("packaged-catalog").weights(name="catalog-virtual-service") == {"v1": 100, "v2": 0}
    assert kube("packaged-cart").weights(name="cart-virtual-service") == {"blue": 80, "green": 20}
    split(20, stable="blue", canary="green", host="cart.test")
    table = machine.play("status", *estate).succeeded().output
    assert re.search(r"^catalog .* 100 %", table, re.MULTILINE), table
    assert re.search(r"^cart .* blue +80 %.*\n +green +20 %", table, re.MULTILINE), table
    machine.play("teardown", *estate, canary_drain=0).succeeded()
