"""The button that shows what was sent, as it was sent, to whom it belongs only."""

import hashlib
import html
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.open_webui.background import running
from tests.open_webui.egress_functions.asking import (
    BAD_ANSWERS,
    OTHER,
    USER,
    OneAnswer,
    Page,
    pointed,
    receipt,
    send,
)
from tests.open_webui.scripted_adapter import NAME, PSEUDONYM, SHORT, ScriptedAdapter
from webui_pipelines.functions import hoheit_sent


async def pressed(
    adapter: ScriptedAdapter | str, chat: str, user: dict[str, str] = USER, says: Any = None
) -> str:
    page = Page(says)
    function = pointed(hoheit_sent.Action(), adapter)
    await function.action({"chat_id": chat, "id": "message"}, user, page.emit, page.call)
    [event] = page.shown
    assert event["type"] == "chat:message:embeds"
    [shown] = event["data"]["embeds"]
    return str(shown)


async def test_the_button_shows_the_request_as_it_left_and_marks_the_pseudonyms(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "sent", f"NOTOOL {NAME} asks")
    shown = await pressed(adapter, "sent")
    assert f"<pre>NOTOOL <mark>{PSEUDONYM}</mark> asks</pre>" in shown
    assert f"<mark>{SHORT}</mark>" not in shown
    [exact] = re.findall(r'<pre class="exact">(.*?)</pre>', shown, re.DOTALL)
    sent = html.unescape(re.sub("</?mark>", "", exact))
    assert sent in adapter.bodies.values()
    assert hashlib.sha256(sent.encode()).hexdigest() in shown
    assert "✓ matches" in shown
    assert NAME not in shown
    for fact in ("cluster in Lyon", "policy.yaml:7", "internal", "listed 1"):
        assert fact in shown


async def test_the_button_speaks_the_language_of_the_page_and_knows_its_colours(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "german", f"NOTOOL {NAME}")
    shown = await pressed(adapter, "german", says={"language": "de-DE", "dark": True})
    assert '<html lang="de" class=dark>' in shown
    assert "Genau so, wie es gesendet wurde" in shown


async def test_another_user_sees_nothing_of_it(adapter: ScriptedAdapter) -> None:
    await send(adapter, "own", f"NOTOOL {NAME}")
    shown = await pressed(adapter, "own", OTHER)
    assert "Nothing left" in shown
    assert PSEUDONYM not in shown


async def test_who_cannot_be_vouched_for_sees_nothing(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(adapter, "unsigned", f"NOTOOL {NAME}")
    monkeypatch.delenv("FORWARD_USER_INFO_HEADER_JWT_SECRET")
    shown = await pressed(adapter, "unsigned")
    assert PSEUDONYM not in shown
    assert "FORWARD_USER_INFO_HEADER_JWT_SECRET" in shown


async def test_a_request_that_is_not_kept_any_more_is_told_by_its_receipt(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "gone", f"NOTOOL {NAME}")
    adapter.bodies.clear()
    shown = await pressed(adapter, "gone")
    assert "not kept any more" in shown
    assert "policy.yaml:7" in shown
    assert "<mark>" not in shown


async def test_an_answer_given_on_site_shows_that_nothing_left(adapter: ScriptedAdapter) -> None:
    adapter.kept.add("home")
    await send(adapter, "home", "NOTOOL hello")
    shown = await pressed(adapter, "home")
    assert "Nothing left the site" in shown
    assert "answered on site" in shown


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_an_adapter_that_cannot_be_asked_is_said_so_by_the_button(server: OneAnswer) -> None:
    with running(server):
        shown = await pressed(server.base_url, "chat")
    assert "not known" in shown


EVIL = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>&lt;'\"`${x}"


def page_of(body: str, pseudonyms: list[str], **changes: Any) -> str:
    """The page for one receipt, every text of which is hostile."""
    words = hoheit_sent._WORDS["en"]
    kept = {"body": body, "pseudonyms": pseudonyms, "kept_until": EVIL}
    hostile = receipt(
        policy=EVIL, model=EVIL, destination=EVIL, site=EVIL, data_class=EVIL, time=EVIL,
        passages={EVIL: 1}, counts={EVIL: 1}, body_sha256=EVIL, **changes,
    )  # fmt: skip
    content = hoheit_sent._facts(hostile, kept, words) + hoheit_sent._texts(kept, words)
    return hoheit_sent._page(content, words, "en", False)


@pytest.mark.parametrize(
    "body", [EVIL, json.dumps({"messages": [{"role": EVIL, "content": EVIL}]})]
)
def test_nothing_in_a_request_becomes_part_of_the_page(body: str) -> None:
    page = page_of(body, [EVIL, "<b>"])
    tags = set(re.findall(r"<(/?[a-z0-9]+)", page))
    assert "img" not in tags
    assert page.count("<script") == 1
    # The policy allows exactly the one script that is there, and no host at all.
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert not re.search(r"<[a-z]+[^>]*\s(src|href|action|on\w+)=", page)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts, st.lists(st.text("KQ7<&\"'-", min_size=1, max_size=4), max_size=4))
def test_the_text_shown_is_the_text_sent_whatever_is_marked(text: str, names: list[str]) -> None:
    kept = {"body": text, "pseudonyms": names}
    shown = hoheit_sent._texts(kept, hoheit_sent._WORDS["en"])
    [exact] = re.findall(r'<pre class="exact">(.*?)</pre>', shown, re.DOTALL)
    assert html.unescape(re.sub("</?mark>", "", exact)) == text
    for marked in re.findall("<mark>(.*?)</mark>", exact, re.DOTALL):
        assert html.unescape(marked) in names


def test_a_text_that_was_changed_does_not_match_its_hash() -> None:
    kept = {"body": "changed"}
    told = hoheit_sent._facts(
        receipt(body_sha256=hashlib.sha256(b"sent").hexdigest()), kept, hoheit_sent._WORDS["en"]
    )
    assert "✗ does not match" in told


def test_a_very_long_request_is_cut_and_says_so() -> None:
    kept = {"body": "x" * (hoheit_sent._LONGEST + 1234)}
    assert "… 1234 characters more" in hoheit_sent._texts(kept, hoheit_sent._WORDS["en"])
