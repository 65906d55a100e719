"""Helm installs what is missing and leaves what is there; what cannot be had is said, and all else goes on."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

NOWHERE = "https://charts.invalid/helm"


def releases(namespace: str = "kiali") -> dict[str, str]:
    """The revision of each release that is deployed."""
    command = ["helm", "list", "--namespace", namespace, "--deployed", "--output", "json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {release["name"]: release["revision"] for release in found}


def said(run) -> str:
    return " ".join(run.output.split())


@pytest.fixture
def unchanged():
    """Whatever a test does, the releases of the scenario stay as they are."""
    before = releases()
    assert set(before) == {"progressive-istio-kiali", "progressive-istio-prometheus"}
    yield
    assert releases() == before


def test_the_charts_get_what_the_role_knows(kube):
    config = yaml.safe_load(kube("kiali").get("configmap", "kiali")["data"]["config.yaml"])
    assert config["auth"]["strategy"] == "anonymous"
    assert config["deployment"]["view_only_mode"] is True
    assert config["external_services"]["prometheus"]["url"] == "http://prometheus.kiali.svc.cluster.local:9090"
    scraping = yaml.safe_load(kube("kiali").get("configmap", "prometheus")["data"]["prometheus.yml"])["global"]
    assert scraping == {"scrape_interval": "2s", "scrape_timeout": "2s"}


@pytest.mark.usefixtures("unchanged")
def test_check_mode_predicts_another_value(play, installed):
    run = play("observability", "--check", **{**installed, "observability_retention": "2h"}).succeeded()
    assert run.changed == 1


def test_check_mode_predicts_the_installation_and_writes_nothing(play, installed, kube):
    run = play("observability", "--check", **{**installed, "observability_namespace": "elsewhere"}).succeeded()
    assert run.changed == 2
    assert "Prometheus would be installed as Service elsewhere/prometheus" in said(run)
    assert "Kiali would be installed as Service elsewhere/kiali" in said(run)
    assert kube("default").run("get", "namespace", "elsewhere", "--ignore-not-found") == ""


@pytest.mark.usefixtures("unchanged")
def test_somebody_elses_stays_as_it_is(play, installed, kube):
    kube("kiali").run("create", "service", "clusterip", "theirs", "--tcp=20001")
    theirs = {"observability_service": "theirs", "observability_port": 20001, "observability_kiali_service": "theirs"}
    run = play("observability", **{**installed, **theirs}).succeeded()
    kube("kiali").run("delete", "service", "theirs")
    assert run.changed == 0
    assert "Kiali runs as Service kiali/theirs" in said(run)


@pytest.mark.usefixtures("unchanged")
def test_a_chart_of_kiali_that_cannot_be_fetched_is_told_and_all_else_goes_on(play, installed):
    away = {"observability_kiali_chart": "kiali-server", "observability_kiali_chart_repository": NOWHERE}
    run = play("observability", **{**installed, **away}).succeeded()
    assert run.changed == 0
    told = said(run)
    assert (
        f"Kiali could not be installed; the run continues without it. Chart kiali-server 2.31.0 of {NOWHERE} is not"
        in told
    )
    assert "installed as release kiali/progressive-istio-kiali: looks like " in told
    assert "no such host" in told
    assert "canary_kiali_url to that of an existing Kiali" in told


def test_an_image_of_kiali_that_cannot_be_fetched_is_told_and_all_else_goes_on(play, installed, kube):
    other = {
        "observability_kiali_namespace": "kiali-without-image",
        "observability_kiali_values": {"image": "registry.invalid/kiali:2"},
        "observability_deadline": 8,
    }
    run = play("observability", **{**installed, **other}).succeeded()
    kube("default").run("delete", "namespace", "kiali-without-image", "--wait=false")
    told = said(run)
    assert "Deployment kiali-without-image/kiali is not ready after 8 s: pod kiali-" in told
    assert re.search("container kiali cannot start: (ErrImagePull|ImagePullBackOff)", told)
    assert "Kiali could not be installed; the run continues without it." in told


@pytest.mark.usefixtures("unchanged")
def test_a_prometheus_that_cannot_be_had_fails_for_canaries_need_it(play, installed):
    away = {"observability_prometheus_chart": "prometheus", "observability_prometheus_chart_repository": NOWHERE}
    run = play("observability", **{**installed, **away})
    assert run.code != 0
    assert "Chart prometheus 28.13.0 of https://charts.invalid/helm is not installed as release kiali/" in said(run)
    assert "observability_prometheus_url to that of an existing Prometheus" in said(run)


@pytest.mark.usefixtures("unchanged")
def test_without_the_program_it_says_which(play, installed):
    run = play("observability", **installed, observability_helm="/nowhere/helm")
    assert run.code != 0
    assert "/nowhere/helm" in said(run)
