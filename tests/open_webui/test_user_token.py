"""The real Open WebUI says in a signed token who asks, and the adapter believes it."""

import pytest

from backend_adapter.api.identity import USER_HEADER, Identity
from backend_adapter.settings import AdapterSettings
from hoheit.open_webui.client import OpenWebUIClient
from tests.open_webui.chat_driver import chat
from tests.open_webui.conftest import USER_JWT_SECRET, Site

pytestmark = pytest.mark.xdist_group("open_webui")


async def test_each_request_tells_its_user_by_a_token_and_by_nothing_else(
    site: Site, user: OpenWebUIClient, admin: OpenWebUIClient
) -> None:
    identity = Identity(AdapterSettings(api_key=site.upstream.key, user_jwt_secret=USER_JWT_SECRET))
    for client in (user, admin):
        own_id = (await client.get("/api/v1/auths/"))["id"]
        before = len(site.upstream.seen)
        await chat(client, "scripted", "NOTOOL Who am I?", tasks={"title_generation": True})
        seen = site.upstream.seen[before:]
        assert {request.task for request in seen} >= {"", "title_generation"}
        for request in seen:
            headers = {name.lower(): value for name, value in request.headers.items()}
            who = identity.caller(headers["authorization"], headers[USER_HEADER])
            assert (who.user, who.client) == (own_id, "site")
            assert not {"x-openwebui-user-email", "x-openwebui-user-name"} & headers.keys()
