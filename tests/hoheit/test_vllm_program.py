"""Which vLLM is started, with which model, and what it may see; without starting one."""

from pathlib import Path

import pytest

from backend_adapter.vllm.command import Command
from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.hosts import Host
from backend_adapter.vllm.layout import Started
from hoheit.errors import SettingsError
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings
from hoheit.vllm.launch import server, source_of
from hoheit.vllm.launching import chosen
from hoheit.vllm.program import device, environment, gpus
from hoheit.vllm.running import command_line, is_here, reachable


def tool(folder: Path, text: str) -> None:
    """A driver's tool that lists GPUs."""
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("echo 'GPU 0: NVIDIA H100 (UUID: a)'; echo 'GPU 1: NVIDIA H100 (UUID: b)'", 2),
        ("echo 'NVIDIA-SMI has failed'; exit 9", 0),
    ],
)
def test_gpus_are_those_that_the_driver_lists(
    text: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert gpus() == count
    assert device("auto") == ("gpu" if count else "cpu")


def test_without_a_driver_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpus() == 0
    assert device("auto") == "cpu"
    assert device("gpu") == "gpu"


def test_gpus_that_were_asked_for_and_are_not_there_are_missed_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings.model_validate({"vllm": {"device": "gpu"}})
    with pytest.raises(SettingsError, match="nvidia-smi lists none"):
        server(0, settings, Home(tmp_path / "home"), Progress())
    assert not (tmp_path / "home").exists()


def test_a_server_sees_what_it_needs_and_no_secret_of_the_site(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOHEIT_ADAPTER__API_KEY", "the adapter's")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "eth0")
    given = environment("cpu", {"VLLM_API_KEY": "k"})

    assert given["NCCL_SOCKET_IFNAME"] == "eth0"
    assert given["VLLM_API_KEY"] == "k"
    assert not [name for name in given if name.startswith("HOHEIT_")]
    # The wheel for processors finds its version there.
    assert list(Path(given["PYTHONPATH"]).glob("vllm-*.dist-info/METADATA"))
    assert "PYTHONPATH" not in environment("gpu", {})


def test_a_model_is_a_directory_or_a_name_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert source_of("here/model") == (str(tmp_path / "here" / "model"), False)
    # It may lie on the other hosts only.
    assert source_of("/srv/model") == ("/srv/model", False)
    assert source_of("openai/gpt-oss-120b") == ("openai/gpt-oss-120b", True)


def host(**given: object) -> Host:
    return Host.model_validate({"name": "hall", "address": "127.0.0.1", "gpus": 0, **given})


def test_another_host_is_reached_by_ssh_with_its_variables_in_one_line() -> None:
    command = Command(("serve", "/a b"), {"VLLM_HOST_IP": "10.0.0.1"})
    given = command_line(host(address="10.0.0.1", ssh="me@10.0.0.1"), command)

    assert given[0] == "ssh"
    assert given[-2:] == ["me@10.0.0.1", "VLLM_HOST_IP=10.0.0.1 hoheit vllm exec serve '/a b'"]


def test_a_host_that_nobody_can_get_to_is_refused_before_anything_starts() -> None:
    far = Started(host(name="library", address="192.0.2.1"), Command(()), answers=True)

    assert is_here(host())
    assert not is_here(far.host)
    reachable([Started(host(), Command(()), answers=True)])
    with pytest.raises(
        LayoutError, match=r"library \(192.0.2.1\) is not this machine.*--only library"
    ):
        reachable([far])


def test_one_host_is_chosen_by_its_name() -> None:
    started = [
        Started(host(name=name, ssh=f"me@{name}"), Command(()), answers=True) for name in "ab"
    ]

    assert chosen(started, None) == started
    [only] = chosen(started, "b")
    # It is this machine, however others get here.
    assert (only.host.name, only.host.ssh) == ("b", None)
    with pytest.raises(LayoutError, match="The hosts are: a, b"):
        chosen(started, "c")


def test_the_version_that_vllm_finds_is_the_pinned_one() -> None:
    repository = Path(__file__).resolve().parents[2]
    pinned = (repository / "environments" / "vllm.in").read_text()
    (metadata,) = (repository / "backend_adapter" / "vllm" / "metadata").glob("*/METADATA")
    version = metadata.parent.name.removeprefix("vllm-").removesuffix("+cpu.dist-info")

    assert f"\nvllm-cpu=={version}\n" in pinned
    assert f"\nVersion: {version}+cpu\n" in metadata.read_text()
    assert f"\nvllm=={version}\n" in (repository / "environments" / "vllm-gpu.in").read_text()
