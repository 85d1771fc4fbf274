"""A caller sees receipts of what left for them, and the bodies of nobody else."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr
from receipt_samples import BODY, made
from starlette.requests import Request

from backend_adapter.api import receipts as routes
from backend_adapter.api.auth import CallerCheck
from backend_adapter.api.identity import USER_HEADER, Identity
from backend_adapter.api.record import RequestLog
from backend_adapter.api.respond import error_response
from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.errors import AdapterError
from backend_adapter.settings import AdapterSettings, ClientSettings

SECRET = "s" * 40
SETTINGS = AdapterSettings(
    api_key=SecretStr("site-key"),
    user_jwt_secret=SecretStr(SECRET),
    clients=(ClientSettings(name="script", api_key=SecretStr("script-key")),),
)


class Callers:
    """Asks the routes as this or that user."""

    def __init__(self, http: httpx.AsyncClient, receipts: Receipts) -> None:
        self.http = http
        self.receipts = receipts

    async def get(self, path: str, user: str | None = None, key: str = "site-key") -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        if user is not None:
            claims = {"sub": user, "iss": "open-webui", "exp": datetime.now(UTC) + timedelta(60)}
            headers[USER_HEADER] = jwt.encode(claims, SECRET, "HS256")
        answer = await self.http.get(f"/v1/site/receipts{path}", headers=headers)
        return answer.status_code, answer.json()

    async def append(self, body: bytes = BODY, **given: Any) -> int:
        return await self.receipts.append(made(body, time=datetime.now(UTC), **given), body)


@pytest.fixture
async def callers(tmp_path: Path) -> AsyncIterator[Callers]:
    def identity(request: Request) -> Identity:
        found: Identity = request.app.state.services.identity
        return found

    app = FastAPI(exception_handlers={AdapterError: error_response})
    app.add_middleware(RequestLog)
    app.include_router(routes.router, prefix="/v1", dependencies=[Depends(CallerCheck(identity))])
    async with open_database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'adapter.db'}")) as engine:
        receipts = Receipts(engine, ReceiptSettings())
        app.state.services = SimpleNamespace(receipts=receipts, identity=Identity(SETTINGS))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://adapter") as http:
            yield Callers(http, receipts)
        await receipts.close()


async def test_a_chat_without_receipts_is_an_empty_list(callers: Callers):
    assert await callers.get("?chat=c1", "anna") == (200, {"object": "list", "data": []})


async def test_the_receipts_of_a_chat_are_listed_with_every_field(callers: Callers):
    await callers.append(chat="c1")
    status, answer = await callers.get("?chat=c1", "anna")
    assert (status, answer["object"]) == (200, "list")
    [told] = answer["data"]
    assert datetime.fromisoformat(told.pop("time")) <= datetime.now(UTC)
    assert told == {
        "seq": 1,
        "user": "anna",
        "client": "site",
        "chat": "c1",
        "message": "message-1",
        "task": "",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": {"files": 3},
        "counts": {"person": 4, "iban": 1},
        "bytes": len(BODY),
        "body_sha256": hashlib.sha256(BODY).hexdigest(),
    }


async def test_only_ones_own_receipts_are_listed_narrowed_as_asked(callers: Callers):
    for user, chat, message in (
        ("anna", "c1", "m1"),
        ("berta", "c1", "m1"),
        ("anna", "c1", "m2"),
        ("anna", "c2", "m1"),
        ("script", "c1", "m1"),
    ):
        await callers.append(user=user, chat=chat, message=message)

    async def seqs(*asked: Any) -> list[int]:
        status, answer = await callers.get(*asked)
        assert status == 200
        return [each["seq"] for each in answer["data"]]

    assert await seqs("?chat=c1", "anna") == [1, 3]
    assert await seqs("?chat=c1&message=m2", "anna") == [3]
    assert await seqs("?chat=c1&after=1", "anna") == [3]
    assert await seqs("?chat=c1&after=9223372036854775807", "anna") == []
    assert await seqs("?chat=c1", "berta") == [2]
    assert await seqs("?chat=c1", None, "script-key") == [5]
    assert await seqs("?chat=c1") == []
    assert await seqs("?chat=%00", "anna") == []


@pytest.mark.parametrize("query", ["", "?message=m1", "?chat=c1&after=x", "?chat=c1&after=-1"])
async def test_a_question_that_is_none_is_an_error_that_says_so(callers: Callers, query: str):
    status, answer = await callers.get(query, "anna")
    assert status == 400
    assert answer["error"]["param"] in ("chat", "after")


async def test_a_body_is_shown_to_the_byte(callers: Callers):
    body = '{"b":1.50, "a":"Person-K7Q \\u00fc ü", "n":12345678901234567890}'.encode()
    await callers.append(body)
    status, answer = await callers.get("/1/body", "anna")
    assert (status, answer["seq"]) == (200, 1)
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()
    assert datetime.fromisoformat(answer["kept_until"]) > datetime.now(UTC) + timedelta(days=29)
    assert answer["body"] == json.loads(body)
    raw = await callers.http.get(
        "/v1/site/receipts/1/body", headers={"Authorization": "Bearer site-key"}
    )
    assert raw.status_code == 404


async def test_the_bytes_that_were_hashed_are_in_the_answer(callers: Callers):
    body = b'{"b":1.50, "a":"\\u00fc"}'
    await callers.append(body, user="script", client="script")
    raw = await callers.http.get(
        "/v1/site/receipts/1/body", headers={"Authorization": "Bearer script-key"}
    )
    assert b'"body":' + body + b"," in raw.content


async def test_a_body_that_is_no_json_is_shown_as_text(callers: Callers):
    await callers.append(b"no json \xff")
    assert (await callers.get("/1/body", "anna"))[1]["body"] == "no json \ufffd"


async def test_gone_unknown_and_somebody_elses_are_one_answer(callers: Callers):
    await callers.append(user="berta")
    await callers.append()
    gone = datetime.now(UTC) - timedelta(days=31)
    await callers.receipts.append(made(time=gone), BODY)
    await callers.receipts.append(made(None, action="refuse"), None)
    answers = []
    for number in (
        "1",
        "3",
        "4",
        "99",
        "0",
        "9223372036854775807",
        "9" * 30,
        "-1",
        "x",
        "2%20",
        "٢",
    ):
        status, answer = await callers.get(f"/{number}/body", "anna")
        assert (status, answer["error"]["code"]) == (404, "unknown_receipt"), number
        answers.append(answer["error"]["message"].split("for you")[1])
    assert len(set(answers)) == 1
    assert (await callers.get("/2/body", "anna"))[0] == 200


@pytest.mark.parametrize("path", ["?chat=c1", "/1/body"])
async def test_who_has_no_key_sees_nothing(callers: Callers, path: str):
    await callers.append(chat="c1")
    assert (await callers.get(path, "anna", "another-key"))[0] == 401
    assert (await callers.get(path, "anna", "script-key"))[0] == 401


async def test_without_a_database_it_is_said_that_none_are_kept(callers: Callers):
    app: Any = callers.http._transport.app  # type: ignore[attr-defined]
    app.state.services.receipts = None
    for path in ("?chat=c1", "/1/body"):
        status, answer = await callers.get(path, "anna")
        assert status == 503
        assert "no database" in answer["error"]["message"]
