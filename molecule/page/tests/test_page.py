"""What the page of a run shows in Chromium is what the run returned."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from molecule_helpers import Kube, module
from page_service import FILES, SERVICE, TARGET

ROWS = {"Requests": "requests", "Failed": "failed", "p50": "p50", "p95": "p95", "p99": "p99"}


@pytest.fixture(scope="module")
def promoted(release):
    result, folder, ended = release()
    ended.succeeded()
    (page,) = folder.iterdir()
    return result, page


@pytest.fixture(scope="module")
def failed(release):
    result, folder, ended = release(canary_version="flaky")
    assert ended.code
    (page,) = folder.iterdir()
    return result, page


def agree(shown, judged: list[dict]) -> None:
    """Every number in the tables is that of the result, and none is left out."""
    numbers = shown.numbers()
    assert list(numbers) == [each["weights"]["v2"] for each in judged]
    for each in judged:
        rows, versions = numbers[each["weights"]["v2"]], each["versions"]
        total = sum(one["requests"] for one in versions.values())
        for row, key in ROWS.items():
            assert rows[row] == [versions.get(name, {}).get(key) for name in ("v1", "v2")]
        assert rows["Weight"] == [each["weights"]["v1"], each["weights"]["v2"]]
        for number, name in enumerate(versions if len(versions) == 2 else ()):
            one = versions[name]
            assert rows["Seen"][number] == pytest.approx(one["requests"] / total)
            assert rows["Success"][number] == pytest.approx(1 - one["failed"] / one["requests"])
            assert rows["Req/s"][number] == pytest.approx(one["requests"] / each["seconds"])


def test_a_promotion_tells_every_number_that_it_rests_on(promoted, show):
    result, page = promoted
    shown = show(page)
    assert shown.page.title() == "pong-server: v1 → v2, promoted"
    assert [each["weights"]["v2"] for each in result["judged"]] == [20, 50]
    agree(shown, result["judged"])
    assert f"Last verdict, v2 at 50 %: pass. {result['judged'][-1]['why']}" in shown.text("header")
    for each in result["transitions"]:
        assert each["why"] in shown.text("#changes + ol")
    live = shown.page.eval_on_selector_all("#changes + ol data", "found => found.map(one => Number(one.value))")
    assert live == [each["live"] for each in result["transitions"]]
    assert result["run"]["who"] in shown.text("#about + dl")
    assert "ansible-playbook progressive.istio.cleanup" in shown.text("#next + dl")


def test_the_graph_is_that_of_the_last_counts(promoted, show):
    result, page = promoted
    shown = show(page)
    last = result["judged"][-1]
    for name, one in last["versions"].items():
        failed = one["failed"] / one["requests"]
        seen = one["requests"] / sum(each["requests"] for each in last["versions"].values())
        box = shown.page.locator("#measured .versions > .node", has_text=re.compile(rf"^{name} "))
        values = [float(each) for each in box.locator("data").evaluate_all("found => found.map(one => one.value)")]
        assert values == pytest.approx(
            [last["weights"][name], seen, one["requests"] / last["seconds"], failed, one["p99"]]
        )
    width = [
        float(each.evaluate("one => parseFloat(one.style.strokeWidth)"))
        for each in shown.page.locator("#measured .flows path").all()
    ]
    assert width == [11, 11]
    assert shown.page.locator(".flows").get_by_text("v1 50 %, v2 50 %").count() == 1
    assert shown.text("#measured h3") == "Measured while v2 had 50 %"
    assert "istio-ingressgateway" in shown.text("#measured .node.in")


def test_the_picture_of_now_has_the_weights_and_what_runs_the_versions(promoted, show):
    result, page = promoted
    shown = show(page)
    assert shown.page.locator("#now .flows").get_by_text("v1 0 %, v2 100 %").count() == 1
    for name in ("v1", "v2"):
        version = result["versions"][name]
        box = shown.page.locator(".workloads > .node", has_text=re.compile(rf"^{name}"))
        text = box.inner_text()
        assert f"{version['ready']} of {version['total']}" in text
        assert version["deployments"][0] in text
        assert version["images"][0] in text


def test_a_rollback_tells_first_where_it_stands_and_why(failed, show):
    result, page = failed
    shown = show(page, width=360)
    assert shown.page.title() == "pong-server: v1 → flaky, rolled back"
    reason = result["transitions"][-1]["why"]
    assert "requests to flaky" in reason
    first = shown.page.get_by_text(reason).first
    assert first.bounding_box()["y"] < 400, "a phone does not show the reason at once"
    assert "v1 has 100 %" in shown.text("header")
    assert shown.page.get_by_text("ansible-playbook progressive.istio.doctor").count() == 1
    (judged,) = result["judged"]
    shared = shown.numbers()[20]
    assert shared["Failed"] == [judged["versions"]["v1"]["failed"], judged["versions"]["flaky"]["failed"]]
    assert shown.page.locator("article.bad .badge").inner_text() == "fail"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("run", ["promoted", "failed"])
def test_it_is_accessible(run, scheme, show, request):
    _result, page = request.getfixturevalue(run)
    found = Axe().run(show(page, scheme).page)
    assert found.violations_count == 0, found.generate_report()


def test_every_chart_has_a_name_and_says_what_it_shows(promoted, show):
    _result, page = promoted
    shown = show(page)
    charts = shown.page.get_by_role("img").all()
    assert len(charts) == 5  # the two flows, the weight, success and latency
    for chart in charts:
        text = [each.text_content() for each in chart.locator("> title, > desc").all()]
        assert all(text)
    assert shown.page.get_by_role("img", name="Share of v2").count() == 1


@pytest.mark.parametrize("width", [320, 360, 768, 1440])
def test_nothing_sticks_out_of_the_screen(promoted, show, width):
    _result, page = promoted
    shown = show(page, width=width)
    assert shown.page.evaluate("document.documentElement.scrollWidth") == width
    sizes = "found => Math.min(...found.map(one => parseFloat(getComputedStyle(one).fontSize)))"
    assert shown.page.eval_on_selector_all("main *", sizes) >= 11


def test_it_prints_in_dark_ink_on_few_sheets(promoted, show):
    _result, page = promoted
    shown = show(page, "dark")
    shown.page.emulate_media(media="print")
    assert shown.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    printed = shown.page.pdf(format="A4")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 4


@pytest.fixture(scope="module")
def standing(release):
    """The result of one more promotion, which nobody has touched since."""
    result, _folder, ended = release()
    ended.succeeded()
    return result


def test_a_second_run_and_check_mode_leave_no_page(play, standing, tmp_path):
    variables = {**SERVICE, "canary_page": str(tmp_path / "pages"), "canary_interval": 2}
    again = play("canary", **variables).succeeded()
    assert again.changed == 0
    play("rollback", "--check", **variables).succeeded()
    assert not (tmp_path / "pages").exists()


@pytest.fixture(scope="module")
def prometheus() -> str:
    """The one of the scenario, by its port on the node."""
    node = json.loads(Kube("default").run("get", "nodes", "-o", "json"))["items"][0]
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    port = Kube("canary-page-prometheus").get("service", "prometheus")["spec"]["ports"][0]["nodePort"]
    return f"http://{address}:{port}"


def test_it_can_be_made_later_from_prometheus(standing, play, prometheus, show, tmp_path):
    time.sleep(5)  # requests at 100 %, and a scrape
    file = tmp_path / "later.html"
    asked = {"canary_analysis": {"prometheus": {"url": prometheus}}, "canary_page": str(file)}
    play("page", **SERVICE, **asked).succeeded()
    shown = show(file)
    assert shown.page.title() == "pong-server: v1 → v2, promoted"
    numbers = shown.numbers()
    status = module("canary_info", name=TARGET["name"], namespace=TARGET["namespace"], prometheus={"url": prometheus})
    counted = [each for each in status["counted"] if each["weights"]["v2"] < 100][-2:]
    assert [each["weights"]["v2"] for each in counted] == [20, 50]
    for each, seen in zip(counted, standing["judged"], strict=True):
        assert set(each["versions"]) == {"v1", "v2"}
        for name, one in each["versions"].items():  # scrapes begin and end up to 2 s beside a step
            assert abs(one["requests"] - seen["versions"][name]["requests"]) < 4.5 * 150
        assert numbers[each["weights"]["v2"]]["Requests"] == [
            each["versions"][name]["requests"] for name in ("v1", "v2")
        ]
    assert numbers[100]["Requests"][1] > 0
    assert "not judged here" in shown.text()


def test_without_prometheus_it_says_what_is_not_known(play, standing, show, tmp_path):
    play("page", **SERVICE, canary_page=str(tmp_path)).succeeded()
    (page,) = tmp_path.iterdir()
    assert re.fullmatch(r"canary-page-pong-server-\d{8}T\d{6}Z\.html", page.name)
    assert "nothing was counted" in show(page).text("#unknown + ul")


def test_a_prometheus_that_is_down_is_told(play, standing, show, tmp_path):
    asked = {"canary_analysis": {"prometheus": {"url": "http://127.0.0.1:9"}}, "canary_page": str(tmp_path / "a.html")}
    play("page", **SERVICE, **asked).succeeded()
    assert "Prometheus at http://127.0.0.1:9 cannot be asked" in show(tmp_path / "a.html").text("#warnings + ul")


def test_steps_with_hooks_are_one_page(release, show):
    result, folder, ended = release(canary_after_step=str(FILES / "step.yml"), canary_steps=[50, 100])
    ended.succeeded()
    (page,) = folder.iterdir()
    kept = [json.loads(Path(folder.parent, f"result.json.{weight}").read_text()) for weight in (50, 100)]
    assert result["judged"] == [], "each step is a call of its own, and the last one is not judged"
    shown = show(page)
    agree(shown, kept[0]["judged"])
    written = [each["why"] for one in kept for each in one["transitions"]]
    assert [why for why in written if why not in shown.text("#changes + ol")] == []
    assert len(written) > 1
