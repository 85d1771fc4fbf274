"""What people run under systemd or from an MCP client: one part by one command."""

import shutil
import sys
from pathlib import Path

import openai
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent

from backend_adapter.embedded.weights import default_weights
from tests.conftest import House

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(
    ("part", "tools", "tool", "arguments", "said"),
    [
        (
            "files",
            ["list", "search", "read"],
            "read",
            {"path": "oeffentlich/en/dog-tax.md"},
            "The annual dog tax is 96 euros for the first dog.",
        ),
        (
            "databases",
            ["list", "describe", "query"],
            "query",
            {"database": "lindenau", "sql": "SELECT 6 * 7 AS answer"},
            "42",
        ),
    ],
)
async def test_an_mcp_client_starts_a_server_on_standard_input_and_output(
    tmp_path: Path, part: str, tools: list[str], tool: str, arguments: dict[str, str], said: str
) -> None:
    house = House(tmp_path / "home")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "hoheit", part, "--transport", "stdio"],
        env=house.environment,
    )
    async with Client(server) as client:
        assert [entry.name for entry in (await client.list_tools()).tools] == tools
        result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    assert said in content.text


def test_up_takes_other_weights_and_names_the_model_after_their_file(tmp_path: Path) -> None:
    weights = tmp_path / "Some Model-Q4.gguf"
    shutil.copy(default_weights(), weights)
    house = House(tmp_path / "home", {"HOHEIT_OPEN_WEBUI__ENABLED": "false"})
    house.start("--model", str(weights))
    try:
        house.wait_ready()
        base_url, key = house.address("adapter") + "/v1", house.secret("adapter-key")
        with openai.OpenAI(base_url=base_url, api_key=key) as client:
            assert [model.id for model in client.models.list()] == ["some-model-q4"]
            answer = client.chat.completions.create(
                model="some-model-q4",
                messages=[{"role": "user", "content": "Say hello."}],
                max_tokens=8,
            )
        assert answer.choices[0].message.content
    finally:
        house.stop()
