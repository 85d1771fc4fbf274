"""The command lines of vLLM servers: on one machine, and of every host that a model is spread over."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backend_adapter.vllm.command import Command, Model
from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.hosts import Host, read_hosts
from backend_adapter.vllm.layout import Cluster, Layout, commands, expected_fingerprint
from backend_adapter.vllm.parsers import Parsers, parsers_of
from backend_adapter.vllm.settings import VllmSettings
from backend_adapter.vllm.single import servers

MODEL = Model("/models/large", "large", Parsers("hermes", "qwen3"))


def value(command: Command, option: str) -> str | None:
    """What follows an option; the last one wins, as in vLLM."""
    found = None
    for name, following in zip(command.arguments, command.arguments[1:], strict=False):
        found = following if name == option else found
    return found


def made(
    given: Mapping[str, Any], *, gpus: int | None = None, cores: range = range(4)
) -> list[Command]:
    return servers(VllmSettings(**given), MODEL, gpus=gpus, cores=cores, online=False)


def hosts(*gpus: int) -> tuple[Host, ...]:
    return tuple(
        Host(name=f"h{number}", address=f"10.0.0.{number + 1}", gpus=each, interface="eth0")
        for number, each in enumerate(gpus)
    )


def cluster(layout: Layout, *gpus: int) -> Cluster:
    return Cluster(MODEL, hosts(*gpus), layout, 8100)


def test_one_server_takes_all_gpus_of_the_machine() -> None:
    (command,) = made({"port": 9000}, gpus=4)

    assert command.arguments[:2] == ("serve", "/models/large")
    assert value(command, "--tensor-parallel-size") == "4"
    assert value(command, "--port") == "9000"
    assert "CUDA_VISIBLE_DEVICES" not in command.variables


def test_replicas_share_the_gpus_of_the_machine() -> None:
    commands = made({"replicas": 2, "port": 9000}, gpus=5)

    assert [value(each, "--port") for each in commands] == ["9000", "9001"]
    assert [each.variables["CUDA_VISIBLE_DEVICES"] for each in commands] == ["0,1", "2,3"]
    assert {value(each, "--tensor-parallel-size") for each in commands} == {"2"}


def test_replicas_on_processors_get_cores_of_their_own() -> None:
    commands = made({"replicas": 2, "kv_cache_gib": 3})

    binds = [each.variables["VLLM_CPU_OMP_THREADS_BIND"] for each in commands]
    assert binds == ["0,1", "2,3"]
    for each in commands:
        assert each.variables["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0"
        assert each.variables["VLLM_CPU_KVCACHE_SPACE"] == "3"


@pytest.mark.parametrize(
    ("given", "gpus", "cores"),
    [
        ({"replicas": 3}, 2, range(8)),
        ({"tensor_parallel": 4}, 2, range(8)),
        ({"tensor_parallel": 2}, None, range(8)),
        ({"replicas": 3}, None, range(2)),
        # The GPUs were asked for, and there are none.
        ({}, 0, range(8)),
    ],
)
def test_more_than_the_machine_has_is_refused(
    given: Mapping[str, Any], gpus: int | None, cores: range
) -> None:
    with pytest.raises(LayoutError, match=r"vllm\.|need"):
        made(given, gpus=gpus, cores=cores)


def test_further_arguments_come_last_so_that_they_win() -> None:
    (command,) = made({"arguments": ["--max-num-seqs", "7"], "parallel": 5})

    assert value(command, "--max-num-seqs") == "7"


def test_nothing_is_fetched_unless_the_model_comes_from_the_hub() -> None:
    (offline,) = made({})
    (online,) = servers(VllmSettings(), MODEL, gpus=1, cores=[0], online=True)

    assert offline.variables["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in online.variables
    for each in (offline, online):
        assert each.variables["VLLM_NO_USAGE_STATS"] == "1"


def test_parsers_are_named_with_what_they_need() -> None:
    (command,) = made({})

    assert value(command, "--tool-call-parser") == "hermes"
    assert "--enable-auto-tool-choice" in command.arguments
    assert value(command, "--reasoning-parser") == "qwen3"
    bare = Model("/models/base", "base", Parsers()).arguments()
    assert not {"--tool-call-parser", "--enable-auto-tool-choice", "--reasoning-parser"} & {*bare}


@pytest.mark.parametrize(
    ("name", "tool", "reasoning"),
    [
        ("gpt-oss-120b", "openai", "openai_gptoss"),
        ("DeepSeek-R1", "deepseek_v3", "deepseek_r1"),
        ("DeepSeek-R1-0528", "deepseek_v3", "deepseek_r1"),
        ("DeepSeek-R1-Distill-Qwen-7B", None, "deepseek_r1"),
        ("DeepSeek-V3", "deepseek_v3", None),
        ("DeepSeek-V3.1", "deepseek_v31", "deepseek_v3"),
        ("DeepSeek-V3.2-Exp", "deepseek_v32", "deepseek_v3"),
        ("Qwen3-8B", "hermes", "qwen3"),
        ("Qwen3-30B-A3B-Instruct-2507", "hermes", None),
        ("Qwen3-Coder-480B-A35B-Instruct", "qwen3_coder", None),
        ("Llama-3.3-70B-Instruct", "llama3_json", None),
        ("Mistral-Small-3.2-24B-Instruct-2506", "mistral", None),
        ("SmolLM2-135M-Instruct.Q4_1-float16", "hermes", None),
        ("something-else", None, None),
    ],
)
def test_parsers_are_chosen_by_the_models_name(
    name: str, tool: str | None, reasoning: str | None
) -> None:
    assert parsers_of(name) == Parsers(tool, reasoning)


def test_a_pipeline_has_one_api_and_a_rank_for_every_host() -> None:
    given = cluster("pipeline", 4, 4, 4)
    started = commands(given, online=False)

    assert [each.answers for each in started] == [True, False, False]
    for rank, each in enumerate(started):
        command = each.command
        assert value(command, "--pipeline-parallel-size") == value(command, "--nnodes") == "3"
        assert value(command, "--tensor-parallel-size") == "4"
        assert value(command, "--node-rank") == str(rank)
        assert value(command, "--master-addr") == "10.0.0.1"
        assert ("--headless" in command.arguments) == (rank > 0)
        assert command.variables["VLLM_HOST_IP"] == f"10.0.0.{rank + 1}"
        assert command.variables["GLOO_SOCKET_IFNAME"] == "eth0"
        assert "--compilation-config" not in command.arguments
    assert value(started[0].command, "--host") == "10.0.0.1"
    assert expected_fingerprint(given) == "tp4-pp3"


def test_a_pipeline_on_processors_compiles_nothing_and_still_warms_up() -> None:
    for each in commands(cluster("pipeline", 0, 0), online=False):
        assert value(each.command, "--compilation-config") == '{"mode": 2, "backend": "eager"}'
        assert "--enforce-eager" not in each.command.arguments
    assert expected_fingerprint(cluster("pipeline", 0, 0)) == "pp2"


def test_experts_are_shared_by_all_gpus_of_all_hosts() -> None:
    given = cluster("experts", 8, 4)
    first, second = commands(given, online=False)

    for each in (first, second):
        assert value(each.command, "--data-parallel-size") == "12"
        assert value(each.command, "--data-parallel-address") == "10.0.0.1"
        assert "--enable-expert-parallel" in each.command.arguments
    assert value(first.command, "--data-parallel-size-local") == "8"
    assert value(second.command, "--data-parallel-size-local") == "4"
    assert value(second.command, "--data-parallel-start-rank") == "8"
    assert "--headless" in second.command.arguments
    assert expected_fingerprint(given) == "dp12-ep"


def test_replicas_answer_each_for_itself() -> None:
    given = cluster("replicas", 2, 4)
    started = commands(given, online=False)

    assert [each.answers for each in started] == [True, True]
    assert [value(each.command, "--tensor-parallel-size") for each in started] == ["2", "4"]
    assert [value(each.command, "--host") for each in started] == ["10.0.0.1", "10.0.0.2"]


def test_one_host_alone_needs_no_pipeline() -> None:
    (started,) = commands(cluster("pipeline", 8), online=False)

    assert "--nnodes" not in started.command.arguments
    assert value(started.command, "--tensor-parallel-size") == "8"


def test_a_pipeline_of_unequal_hosts_is_refused_with_what_each_has() -> None:
    with pytest.raises(LayoutError, match="h0 4, h1 2"):
        commands(cluster("pipeline", 4, 2), online=False)


def test_a_shell_reads_a_command_as_it_was_meant() -> None:
    command = Command(("serve", "/models/a b", "--x", '{"y": 1}'), {"A": "0|1"})

    assert shlex.split(command.shell(("hoheit", "vllm", "exec"))) == [
        "A=0|1",
        *("hoheit", "vllm", "exec", "serve", "/models/a b", "--x", '{"y": 1}'),
    ]


def test_hosts_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(
        "hosts:\n"
        "  - {name: hall, address: 10.0.0.1, gpus: 4, ssh: hoheit@10.0.0.1}\n"
        '  - {name: shed, address: 10.0.0.2, gpus: 0, cores: "0-3|4-7", program: [vllm]}\n'
    )
    hall, shed = read_hosts(file)

    assert (hall.name, hall.gpus, hall.ssh) == ("hall", 4, "hoheit@10.0.0.1")
    assert hall.program == ("hoheit", "vllm", "exec")
    assert (shed.cores, shed.program) == ("0-3|4-7", ("vllm",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "hosts"),
        ("hosts: []", "at least 1 item"),
        ("hosts: [{name: a}]", "hosts.0.address"),
        ("hosts: [{name: a, address: 10.0.0.1, gpus: -1}]", "hosts.0.gpus"),
        ("hosts: [{name: a, address: 10.0.0.1, gpus: 1, gpu: 1}]", "hosts.0.gpu"),
        ("hosts: [{name: a, address: '$(id)', gpus: 1}]", "hosts.0.address"),
        ("hosts: [{name: a, address: b, gpus: 1, ssh: -oProxyCommand=id}]", "hosts.0.ssh"),
        ("hosts: [{name: a, address: b, gpus: 1}, {name: a, address: c, gpus: 1}]", "named a"),
        ("hosts: [", "not valid YAML"),
    ],
)
def test_a_wrong_file_of_hosts_is_refused_with_the_place(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(text)

    with pytest.raises(LayoutError, match=said):
        read_hosts(file)


def test_a_file_of_hosts_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"nowhere\.yaml cannot be read"):
        read_hosts(tmp_path / "nowhere.yaml")
