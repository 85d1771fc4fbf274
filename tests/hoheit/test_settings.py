"""Settings are read as a whole, and refused with the key, the value and what is allowed."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from hoheit.errors import SettingsError
from hoheit.home import Home
from hoheit.settings import Settings, complete, load, sections
from hoheit.template import render


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("HOHEIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def write(home: Home, text: str) -> None:
    home.path.mkdir(exist_ok=True)
    home.settings_file.write_text(text)


def test_without_a_file_every_key_has_its_default(home: Home) -> None:
    assert load(home).adapter.port == 8081


def test_the_documented_file_as_it_stands_changes_nothing(home: Home) -> None:
    write(home, render())
    assert load(home) == Settings()


def test_the_documented_file_names_every_key_with_a_description() -> None:
    text = render()
    for section, model in sections():
        assert f"[{section}]" in text
        for key, field in model.model_fields.items():
            if f"{section}.{key}" not in dict(sections()):
                assert f"# {key} = " in text, f"{section}.{key} is missing"
            assert field.description, f"{section}.{key} is not described"


def test_every_documented_default_is_accepted_when_it_is_set(home: Home) -> None:
    lines = []
    in_a_list = False
    for line in render().splitlines():
        found = re.match(r"# (\w+ = .+)", line)
        if re.match(r"(# )?\[", line):
            in_a_list = line.startswith("# [[")
        if in_a_list:
            continue
        # A key without a default is shown with an empty example, which need not be valid.
        lines.append(found[1] if found and not found[1].endswith(('= ""', "= 0")) else line)
    text = "\n".join(lines)
    assert len(tomllib.loads(text)["adapter"]) > 4
    assert "max_queued" in tomllib.loads(text)["adapter"]["admission"]
    write(home, text)
    assert load(home) == Settings()


def test_a_variable_wins_over_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "[adapter]\nport = 9001\nstall_timeout_s = 7\n")
    monkeypatch.setenv("HOHEIT_ADAPTER__PORT", "9002")
    adapter = load(home).adapter
    assert (adapter.port, adapter.stall_timeout_s) == (9002, 7)


def test_a_table_in_a_table_is_set_by_file_and_by_variable(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        home,
        "[adapter.admission]\nmax_queued = 7\nqueue_timeout_s = 3\n"
        "[adapter.admission.weights]\n'anna@town.example' = 2\n",
    )
    monkeypatch.setenv("HOHEIT_ADAPTER__ADMISSION__MAX_QUEUED", "9")
    monkeypatch.setenv("HOHEIT_ADAPTER__QUOTAS", '{"tokens_per_user_and_day": 5}')
    adapter = load(home).adapter
    assert (adapter.admission.max_queued, adapter.admission.queue_timeout_s) == (9, 3)
    assert adapter.admission.weights == {"anna@town.example": 2}
    assert adapter.quotas.tokens_per_user_and_day == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[adapter]\nprot = 9001\n", ["'adapter.prot'", "Did you mean 'port'", "stall_timeout_s"]),
        ("[adaptor]\nport = 9001\n", ["'adaptor'", "Did you mean 'adapter'"]),
        ("[adapter]\nport = 'many'\n", ["'adapter.port'", "'many'", "integer"]),
        ("[adapter]\nport = 99999\n", ["'adapter.port'", "99999", "65535"]),
        ("[open_webui]\nedition = 'tiny'\n", ["'open_webui.edition'", "'tiny'", "slim", "full"]),
        (
            "[[files.roots]]\nname = 'a'\npath = '/'\ndata_class = 'hidden'\n",
            ["files.roots.0.data_class", "'hidden'", "confidential"],
        ),
        (
            "[[files.roots]]\nname = 'a'\npath = '/'\nclas = 'public'\n",
            ["files.roots.0.clas", "data_class"],
        ),
        (
            "[adapter.admission]\nmax_queue = 1\n",
            ["'adapter.admission.max_queue'", "Did you mean 'max_queued'"],
        ),
        ("[adapter.admission.weights]\nanna = -1\n", ["adapter.admission.weights.anna", "-1"]),
        ("[adapter.quotas.overrides]\nanna = -1\n", ["adapter.quotas.overrides.anna", "-1"]),
        ("[adapter\n", ["not valid TOML"]),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(home: Home, text: str, said: list[str]) -> None:
    write(home, text)
    with pytest.raises(SettingsError) as error:
        load(home)
    for word in said:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOHEIT_ADAPTER__PROT", "1", "HOHEIT_ADAPTER__PORT"),
        ("HOHEIT_ADPTER__PORT", "1", "HOHEIT_ADAPTER__PORT"),
        ("HOHEIT_ADAPTER__ADMISSION__MAX_QUEUE", "1", "HOHEIT_ADAPTER__ADMISSION__MAX_QUEUED"),
        ("HOHEIT_FILES__ROOTS", "/srv/docs", "JSON"),
        ("HOHEIT_ADAPTER__PORT", "many", "many"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load(home)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("open_webui", "admin_password", "['hunter2hunter2']"),
        ("adapter", "api_key", "'hunter2 hunter2'"),
        ("adapter", "admin_key", "'hunter2 hunter2'"),
        ("adapter", "user_jwt_secret", "['hunter2hunter2']"),
        ("files", "labels_key", "['hunter2hunter2']"),
        ("adapter", "database_url", "'mysql://anna:hunter2@db.example/x'"),
    ],
)
def test_a_refused_secret_is_not_repeated(home: Home, section: str, key: str, value: str) -> None:
    write(home, f"[{section}]\n{key} = {value}\n")
    with pytest.raises(SettingsError) as error:
        load(home)
    assert key in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_settings_file_that_does_not_exist_is_an_error(home: Home, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load(home, tmp_path / "missing.toml")


def test_completing_fills_in_secrets_upstream_and_example_site(home: Home) -> None:
    settings = complete(load(home), home)
    assert [upstream.name for upstream in settings.adapter.upstreams] == ["embedded"]
    assert settings.adapter.upstreams[0].api_key == settings.embedded.api_key
    assert settings.adapter.model("smollm2-135m").tool_calls == "schema"
    assert {root.data_class for root in settings.files.roots} == {"public", "internal"}
    assert settings.files.token
    assert settings.files.token != settings.databases.token
    adapter = settings.adapter
    assert adapter.user_jwt_secret and len(adapter.user_jwt_secret.get_secret_value()) >= 32
    assert adapter.admin_key and adapter.admin_key != adapter.api_key
    assert adapter.database_url
    assert str(home.data) in adapter.database_url.get_secret_value()
    again = complete(load(home), home)
    assert again == settings


def test_the_servers_register_labels_with_the_sites_own_adapter(home: Home) -> None:
    write(home, "[adapter]\nport = 9000\n[databases]\nlabels_url = 'http://adapter:8081'\n")
    site = complete(load(home), home)
    assert site.files.labels_url == "http://127.0.0.1:9000"
    assert site.databases.labels_url == "http://adapter:8081"
    assert site.adapter.labels_key
    assert site.files.labels_key == site.databases.labels_key == site.adapter.labels_key
    assert site.adapter.labels_key not in (site.adapter.api_key, site.adapter.admin_key)


def test_another_upstream_stands_beside_the_embedded_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstreams = [{"name": "far", "base_url": "http://127.0.0.1:1/v1"}]
    monkeypatch.setenv("HOHEIT_ADAPTER__UPSTREAMS", json.dumps(upstreams))
    adapter = complete(load(home), home).adapter
    assert [upstream.name for upstream in adapter.upstreams] == ["embedded", "far"]


def test_without_the_embedded_engine_only_configured_upstreams_remain(home: Home) -> None:
    write(home, "[embedded]\nenabled = false\n")
    assert complete(load(home), home).adapter.upstreams == ()


@pytest.mark.parametrize(
    ("text", "model_id", "tool_calls"),
    [
        ("", "smollm2-135m", "schema"),
        ("model = '/m/Qwen3 8B-Q4_K_M.gguf'", "qwen3-8b-q4_k_m", "engine"),
        ("model = '/m/Qwen3 8B-Q4_K_M.gguf'\nmodel_id = 'qwen'", "qwen", "engine"),
    ],
)
def test_other_weights_are_called_after_their_file_and_make_their_own_tool_calls(
    home: Home, text: str, model_id: str, tool_calls: str
) -> None:
    write(home, f"[embedded]\n{text}\n")
    settings = complete(load(home), home)
    assert settings.embedded.model_id == model_id
    assert settings.adapter.model(model_id).tool_calls == tool_calls


def test_a_swarm_has_its_key_unless_anybody_may_join(home: Home) -> None:
    write(home, '[petals.node]\nallowed_peers = ["12D3Koo"]\n[petals.gateway]\nopen = true\n')
    petals = complete(load(home), home, ("swarm-key", "petals-key")).petals
    assert petals.node.key_file == home.secrets / "swarm-key"
    assert petals.gateway.key_file is None


@pytest.mark.parametrize(
    ("text", "upstreams", "model", "crutches"),
    [
        ("", [("vllm", "http://127.0.0.1:8100/v1")], "smollm2-135m", True),
        (
            "replicas = 2\nport = 9000",
            [("vllm-1", "http://127.0.0.1:9000/v1"), ("vllm-2", "http://127.0.0.1:9001/v1")],
            "smollm2-135m",
            True,
        ),
        ("model = 'Qwen/Qwen3-8B'", [("vllm", "http://127.0.0.1:8100/v1")], "qwen3-8b", False),
        (
            "model = '/m/big'\nmodel_id = 'large'",
            [("vllm", "http://127.0.0.1:8100/v1")],
            "large",
            False,
        ),
    ],
)
def test_vllm_answers_instead_of_the_embedded_engine_where_it_is_the_engine(
    home: Home, text: str, upstreams: list[tuple[str, str]], model: str, crutches: bool
) -> None:
    write(home, f'engine = "vllm"\n[vllm]\n{text}\n')
    settings = complete(load(home), home)

    asked = settings.adapter.upstreams
    assert [(each.name, each.base_url) for each in asked] == upstreams
    assert {each.engine for each in asked} == {"vllm"}
    assert {each.api_key for each in asked} == {settings.vllm.api_key}
    assert settings.vllm.model_id == model
    assert settings.adapter.model(model).small is crutches
    assert not settings.embedded.enabled
    assert (home.secrets / "vllm-key").is_file()
    assert not (home.secrets / "swarm-key").exists()


def test_a_site_without_vllm_makes_no_key_for_it(home: Home) -> None:
    complete(load(home), home)
    assert not (home.secrets / "vllm-key").exists()
