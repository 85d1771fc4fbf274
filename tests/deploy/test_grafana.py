"""The dashboard, the alerts and the handbook speak of figures that a running adapter really has."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from backend_adapter.settings import AdapterSettings, UpstreamSettings
from tests.backend_adapter.scripted import (
    DEADLINE_S,
    KEY,
    Client,
    RunningAdapter,
    ScriptedUpstream,
    Turn,
    ask,
    chunk,
    usage,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((REPOSITORY / "deploy" / "grafana" / "hoheit.json").read_text("utf-8"))
PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
HANDBOOK = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
VLLM_FIGURES = REPOSITORY / "tests" / "backend_adapter" / "recorded" / "vllm_metrics.txt"
ADMIN = "the-admin-key"

# In an expression: a metric with or without a selector, and a label by which is summed.
METRIC = re.compile(r"\b((?:hoheit|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"by \(([^)]*)\)")

Figures = dict[str, dict[str, set[str]]]


@pytest.fixture
async def figures() -> AsyncIterator[Figures]:
    """Every sample's name with its labels and their values, after some requests and failovers."""
    first, second = ScriptedUpstream(), ScriptedUpstream()
    second.swarm = {"layers": 1, "coverage": [0], "missing": [[0, 1]], "spans": []}
    first.figures = VLLM_FIGURES.read_text("utf-8")
    runners = [await each.serve() for each in (first, second)]
    pieces = ["Guten", " Tag", "."]

    async def answer(turn: Turn) -> None:
        await turn.send(chunk({"content": pieces[0]}))
        await asyncio.sleep(0.01)
        await turn.send(*(chunk({"content": piece}) for piece in pieces[1:]))
        counts = usage(9, 4)
        counts["usage"]["prompt_tokens_details"] = {"cached_tokens": 5}
        await turn.send(chunk(finish="stop"), counts, "[DONE]")

    async def break_off(turn: Turn) -> None:
        await turn.send(chunk({"content": pieces[0]}))
        turn.cut()

    upstreams = tuple(
        UpstreamSettings(
            name=f"up{n}",
            base_url=each.base_url,
            site="x",
            continuation="replay",
            engine="petals" if each.swarm else "vllm",
        )
        for n, each in enumerate((first, second))
    )
    settings = AdapterSettings(
        api_key=KEY,
        admin_key=ADMIN,
        upstreams=upstreams,
        catalogue_refresh_s=0.2,
        selection="round_robin",
    )
    adapter = RunningAdapter(settings)
    adapter.start()
    try:
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S)
        ) as session:
            client = Client(session)
            second.script = answer
            for script in (answer, break_off):
                await closed(client, adapter, 2)
                first.script, before = script, len(first.turns)
                while len(first.turns) == before:
                    body = ask(stream=True, temperature=0)
                    reply = await client.post(adapter, "/v1/chat/completions", body)
                    assert reply.status == 200
            await closed(client, adapter, 2)
            first.refuse(500, "{}")
            before = len(first.turns)
            while len(first.turns) == before:
                # An address of mail leaves under another one.
                reply = await client.post(
                    adapter, "/v1/chat/completions", ask("anna.lang@town.example")
                )
                assert reply.status == 200
            yield read((await client.get(adapter, "/metrics", ADMIN)).text)
    finally:
        await asyncio.to_thread(adapter.stop)
        for runner in runners:
            await runner.cleanup()


async def closed(client: Client, adapter: RunningAdapter, number: int) -> None:
    """Wait until so many replicas can be asked."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            picture = (await client.get(adapter, "/v1/topology", ADMIN)).json
            replicas = [replica for each in picture["upstreams"] for replica in each["replicas"]]
            if sum(replica["circuit"] == "closed" for replica in replicas) == number:
                return
            await asyncio.sleep(0.02)


def read(text: str) -> Figures:
    found: Figures = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].update({})
            for label, value in sample.labels.items():
                found[sample.name][label].add(value)
    return found


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


async def test_every_expression_names_metrics_labels_and_values_that_exist(
    figures: Figures,
) -> None:
    named = set()
    for expression in expressions():
        labels: set[str] = set()
        for metric, selector in METRIC.findall(expression):
            named.add(metric)
            assert metric in figures, f"{metric} in {expression}"
            labels |= figures[metric].keys()
            for label, value in MATCHER.findall(selector):
                if label == "job":  # given by Prometheus
                    continue
                assert label in figures[metric], f"{label} of {metric} in {expression}"
                if re.fullmatch(r"[a-z_]+", value) and label in ("state", "type", "phase"):
                    assert value in figures[metric][label], f"{value} in {expression}"
        for group in GROUPING.findall(expression):
            for label in group.split(","):
                assert label.strip() in labels, f"{label} in {expression}"
    assert len(named) > 15
    assert "hoheit_failovers_total" in named


async def test_all_that_is_counted_by_label_occurs_in_the_exercise(figures: Figures) -> None:
    assert figures["hoheit_failovers_total"]["phase"] == {"before_first_token", "mid_answer"}
    assert figures["hoheit_tokens_total"]["type"] == {"input", "output"}
    assert figures["hoheit_circuit_state"]["state"] == {"starting", "closed", "open", "half_open"}


async def test_every_metric_is_in_the_handbook_and_nothing_else(figures: Figures) -> None:
    ours = {
        re.sub(r"_(bucket|count|sum)$", "", name) for name in figures if name.startswith("hoheit_")
    }
    rows = set(re.findall(r"^\| `(hoheit_[a-z_]+)`", HANDBOOK, re.MULTILINE))
    assert rows == ours


async def test_the_handbook_names_the_labels_of_every_metric(figures: Figures) -> None:
    rows = dict(re.findall(r"^\| `(hoheit_[a-z_]+)` \| ([^|]*) \|", HANDBOOK, re.MULTILINE))
    for metric, cell in rows.items():
        samples = figures.get(metric) or figures[f"{metric}_bucket"]
        assert set(re.findall(r"`(\w+)`", cell)) == samples.keys() - {"le"}, metric


def test_the_dashboard_chooses_its_data_source_models_and_upstreams() -> None:
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "model", "upstream"]
    assert variables["datasource"]["query"] == "prometheus"
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(each["datasource"]["uid"] == "${datasource}" for each in panel["targets"])


def test_no_two_panels_have_one_id_or_lie_on_each_other() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        box = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(box["x"], box["x"] + box["w"])
            for y in range(box["y"], box["y"] + box["h"])
        }
        assert box["x"] + box["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_prometheus_sends_the_admin_key_from_a_file() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    [job] = config["scrape_configs"]
    assert job["job_name"] == "hoheit"
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["type"] == "Bearer"
    assert job["authorization"]["credentials_file"].endswith("/admin-key")
    for file in config["rule_files"]:
        assert (PROMETHEUS / file).is_file()
