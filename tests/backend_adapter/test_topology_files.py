"""What is served beside the topology page: its own files, which may run nothing else, in both languages."""

import re

import pytest
from scripted import (
    Client,
)
from topology_tabs import PAGE, TOWN, MakeSite
from yarl import URL


def test_both_languages_say_the_same() -> None:
    texts = (PAGE / "texts.js").read_text("utf-8")
    english, german = (
        {
            key: sorted(re.findall(r"\{(\w+)\}", said))
            for key, said in re.findall(r"^  (\w+):\s+\"(.*)\",$", block, re.MULTILINE)
        }
        for block in re.findall(r"const (?:EN|DE) = \{\n(.*?)\n\};", texts, re.DOTALL)
    )
    assert len(english) > 50
    assert english == german


@pytest.mark.parametrize("path", ["/topology", "/topology/main.js", "/topology/topology.css"])
async def test_the_page_may_run_nothing_but_its_own_files(
    make_site: MakeSite, client: Client, path: str
) -> None:
    site = await make_site(*TOWN[:1])
    reply = await client.get(site.adapter, path, key=None)
    assert reply.status == 200
    policy = dict(
        each.strip().split(" ", 1) for each in reply.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert not re.search(
        r"<script(?![^>]* src=)|\son\w+=|style=|https?://(?!host:8000)", reply.text
    )


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Ftopology.py", "..", "%2e%2e%2fservices.py", "topology.html%00"]
)
async def test_no_other_file_is_served(make_site: MakeSite, client: Client, name: str) -> None:
    site = await make_site(*TOWN[:1])
    address = URL(f"{site.adapter.url}/topology/{name}", encoded=True)
    async with client.session.get(address, allow_redirects=False) as response:
        assert response.status == 404
        assert "import" not in await response.text()
