"""Install the tarball as a user does, and go through the tutorial and an estate of two services with it."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

import pytest

ESTATE = Path(__file__).parent / "estate.yml"


@pytest.fixture(scope="class")
def one(request, kube):
    return kube(request.cls.namespace)


@pytest.fixture(scope="class")
def host(one):
    return f"{one.namespace}.test"


@pytest.fixture(scope="class")
def play(machine, one, host):
    """Run a playbook on the service that this machine manages."""
    return partial(machine.play, canary_namespace=one.namespace, canary_gateway_hosts=[host])


# The tests of a class run one after the other, and the classes at once, by `--dist=loadscope`.
class Tutorial:
    def test_it_is_found_where_collections_are(self, machine):
        listed = machine.run("ansible-galaxy", "collection", "list").succeeded().output
        assert re.search(r"^progressive\.istio +\d", listed, re.MULTILINE)
        assert str(machine.home / ".ansible" / "collections") in listed

    def test_the_documentation_is_with_it(self, machine):
        listed = machine.run("ansible-doc", "--list", "--type", "module", "progressive.istio").succeeded().output
        modules = (Path(__file__).parents[3] / "plugins" / "modules").glob("*.py")
        assert {line.split()[0] for line in listed.splitlines()} == {
            f"progressive.istio.{module.stem}" for module in modules
        }

    def test_site(self, play, one, host, split):
        play("site").succeeded()
        assert one.weights() == {"v1": 100, "v2": 0}
        split(0, count=200, host=host)

    def test_a_fifth(self, play, one, host, split):
        run = play("canary", "-e", "weight=20").succeeded()
        assert run.changed == 1
        assert "live in gateway" in run.output
        assert one.weights() == {"v1": 80, "v2": 20}
        split(20, host=host)

    def test_status(self, play, one):
        assert re.search(one.namespace + r"/.* v1 +80 %.*\n +v2 +20 %", play("status").succeeded().output)

    def test_rollback(self, play, one, host, split):
        assert play("rollback").succeeded().changed == 1
        assert one.weights() == {"v1": 100, "v2": 0}
        split(0, count=200, host=host)

    def test_all_steps(self, play, one):
        run = play("canary", canary_steps=[50, 100], canary_interval=0, canary_confirm=True)
        assert run.succeeded().output.count("live in") >= 2
        assert one.weights() == {"v1": 0, "v2": 100}

    def test_teardown(self, play, one):
        play("teardown", canary_drain=0).succeeded()
        assert one.versions() == {}


class TestOlderCore(Tutorial):
    core, namespace = "2.16", "packaged-older"


class TestNewerCore(Tutorial):
    core, namespace = "2.21", "packaged-newer"


class TestEstate:
    """Once is enough for what has nothing to do with the ansible-core."""

    core = "2.21"

    def test_two_services(self, machine, kube, split):
        shutil.copy(ESTATE, machine.home / "inventory.yml")
        estate = ("-i", "inventory.yml")
        machine.play("site", *estate).succeeded()
        run = machine.play("canary", *estate, "--limit", "cart", weight=20, canary_probe_requests=0)
        assert run.succeeded().changed == 1
        assert kube("packaged-catalog").weights(name="catalog-virtual-service") == {"v1": 100, "v2": 0}
        assert kube("packaged-cart").weights(name="cart-virtual-service") == {"blue": 80, "green": 20}
        split(20, stable="blue", canary="green", host="cart.test")
        table = machine.play("status", *estate).succeeded().output
        assert re.search(r"^catalog .* 100 %", table, re.MULTILINE), table
        assert re.search(r"^cart .* blue +80 %.*\n +green +20 %", table, re.MULTILINE), table
        machine.play("teardown", *estate, canary_drain=0).succeeded()
