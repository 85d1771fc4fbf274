"""The state that the bundle needs in Open WebUI, merged into what an admin already has there.

Pure functions: each takes what Open WebUI holds and returns what it should hold, equal when nothing is to
do. Nothing that is not the bundle's is removed or changed. What an admin decided about the bundle's own
entries (who may use them, whether they are on) also stays as it is once the entry exists.

An entry is the bundle's when it carries the bundle's headers: Open WebUI keeps those when an admin edits
the entry, while it drops fields of ours that it does not know.
"""

import copy
from dataclasses import dataclass
from typing import Any

from hoheit.errors import OpenWebUIError

JsonObject = dict[str, Any]

EVERYONE_READS: list[JsonObject] = [
    {"principal_type": "user", "principal_id": "*", "permission": "read"}
]
ADAPTER_HEADERS = {
    "X-Hoheit-Task": "{{TASK}}",
    "X-Hoheit-Chat-Id": "{{CHAT_ID}}",
    "X-Hoheit-Message-Id": "{{MESSAGE_ID}}",
    "X-Hoheit-User-Id": "{{USER_ID}}",
}
TOOL_HEADERS = {
    "X-Hoheit-Chat-Id": "{{CHAT_ID}}",
    "X-Hoheit-Message-Id": "{{MESSAGE_ID}}",
    "X-Hoheit-User-Id": "{{USER_ID}}",
    "X-Hoheit-User-Email": "{{USER_EMAIL}}",
    "X-Hoheit-User-Groups": "{{USER_GROUPS}}",
}
# In a registered model's meta: says that the bundle registered it (the status filter reads it too), and
# which switches it was given.
MARK = "hoheit"
# Filters that people switch on for a chat; only the adapter's models have them.
SWITCHES = ("hoheit_on_site",)


@dataclass(frozen=True)
class ToolServer:
    """One of the site's MCP servers; `id` is also the prefix of its tools' names in a chat."""

    id: str
    name: str
    description: str
    url: str
    token: str

    @property
    def tool_id(self) -> str:
        """What Open WebUI calls it in a model's list of tools."""
        return f"server:mcp:{self.id}"


def connection(config: JsonObject, url: str, key: str) -> tuple[JsonObject, int]:
    """The model connections with the one to the adapter among them, and its number.

    Raises OpenWebUIError when connections are switched off as a whole and there are others: switching
    them on for ours would open those too.
    """
    merged = copy.deepcopy(config)
    urls: list[str] = merged.setdefault("OPENAI_API_BASE_URLS", []) or []
    keys: list[str] = list(merged.get("OPENAI_API_KEYS") or [])
    configs: JsonObject = merged.get("OPENAI_API_CONFIGS") or {}
    keys += [""] * (len(urls) - len(keys))

    index = _own_connection(urls, configs, url)
    if not merged.get("ENABLE_OPENAI_API"):
        if any(number != index for number in range(len(urls))):
            raise OpenWebUIError(
                "The OpenAI API is switched off in Open WebUI, and it has other connections.",
                "Switch it on under Admin Settings > Connections, after looking at those.",
            )
        merged["ENABLE_OPENAI_API"] = True
    if index is None:
        index = len(urls)
        urls.append(url)
        keys.append(key)
    urls[index], keys[index] = url, key

    current = configs.get(str(index)) or configs.get(url) or {}
    configs[str(index)] = {
        # An admin's own choices about it, such as switching it off or a prefix for the model ids.
        "enable": True,
        "connection_type": "external",
        "tags": [],
        "prefix_id": "",
        "model_ids": [],
        **current,
        "auth_type": "bearer",
        # Has Open WebUI send the reasoning back in tool loops.
        "provider": "llama.cpp",
        "headers": {**_headers(current), **ADAPTER_HEADERS},
    }
    merged |= {
        "OPENAI_API_BASE_URLS": urls,
        "OPENAI_API_KEYS": keys[: len(urls)],
        "OPENAI_API_CONFIGS": configs,
    }
    return merged, index


def _own_connection(urls: list[str], configs: JsonObject, url: str) -> int | None:
    same_address = [number for number, other in enumerate(urls) if _same(other, url)]
    by_headers = [
        number
        for number in range(len(urls))
        if "X-Hoheit-Task" in _headers(configs.get(str(number)) or {})
    ]
    return next(iter([*same_address, *by_headers]), None)


def tool_servers(connections: list[JsonObject], server: ToolServer) -> list[JsonObject]:
    """The tool servers with `server` among them.

    Raises OpenWebUIError when an admin has given the id to another server.
    """
    merged = copy.deepcopy(connections)
    wanted: JsonObject = {
        "type": "mcp",
        "url": server.url,
        "path": "",
        "auth_type": "bearer",
        "key": server.token,
    }
    for entry in merged:
        info = entry.get("info") or {}
        if entry.get("type") != "mcp" or info.get("id") != server.id:
            continue
        if not _same(entry.get("url") or "", server.url) and "X-Hoheit-Chat-Id" not in _headers(
            entry
        ):
            raise OpenWebUIError(
                f"A tool server with the id '{server.id}' at {entry.get('url')} is already there.",
                "Rename or remove it under Admin Settings > External Tools, then provision again.",
            )
        entry |= {**wanted, "headers": {**_headers(entry), **TOOL_HEADERS}}
        return merged
    merged.append(
        {
            **wanted,
            "headers": dict(TOOL_HEADERS),
            "config": {
                "enable": True,
                "function_name_filter_list": "",
                "access_grants": copy.deepcopy(EVERYONE_READS),
            },
            "info": {"id": server.id, "name": server.name, "description": server.description},
        }
    )
    return merged


def model_entry(
    existing: JsonObject | None, model_id: str, name: str, tool_ids: list[str]
) -> JsonObject:
    """What is registered about one of the adapter's models.

    Open WebUI's built-in tools are off (they would hand a person's other chats, notes and documents to
    the model); the site's own tools are on. A switch is given to a model once: where an admin took it away,
    it stays away.
    """
    if existing is None:
        return {
            "id": model_id,
            "base_model_id": None,
            "name": name,
            "params": {"function_calling": "native"},
            "meta": {
                "description": None,
                "capabilities": {
                    "builtin_tools": False,
                    "usage": True,
                    "web_search": False,
                    "image_generation": False,
                    "code_interpreter": False,
                },
                "toolIds": list(tool_ids),
                "filterIds": list(SWITCHES),
                MARK: _mark(),
            },
            "access_grants": copy.deepcopy(EVERYONE_READS),
            "is_active": True,
        }
    entry: JsonObject = {
        key: copy.deepcopy(existing[key])
        for key in ("id", "base_model_id", "name", "params", "meta", "is_active")
        if key in existing
    }
    meta: JsonObject = entry.setdefault("meta", {})
    capabilities = meta.get("capabilities") or {}
    meta["capabilities"] = {**capabilities, "builtin_tools": False, "usage": True}
    meta["toolIds"] = list(dict.fromkeys([*(meta.get("toolIds") or []), *tool_ids]))
    given = (meta.get(MARK) or {}).get("switches") or []
    new = [switch for switch in SWITCHES if switch not in given]
    if new:
        meta["filterIds"] = list(dict.fromkeys([*(meta.get("filterIds") or []), *new]))
    meta[MARK] = _mark()
    entry["params"] = {**(entry.get("params") or {}), "function_calling": "native"}
    return entry


def _mark() -> JsonObject:
    return {"registered": True, "switches": list(SWITCHES)}


def model_access(existing: JsonObject) -> list[JsonObject] | None:
    """Grants to give a model that was registered before the bundle came, None to leave them.

    One without any grant is visible to admins only, which is also how Open WebUI registers a model that
    an admin merely renamed; after the bundle has marked it, an empty list is an admin's decision.
    """
    marked = MARK in (existing.get("meta") or {})
    return None if marked or existing.get("access_grants") else copy.deepcopy(EVERYONE_READS)


def open_to_all(grants: list[JsonObject] | None) -> bool:
    """Whether every signed-in person may use what these grants belong to."""
    wanted = EVERYONE_READS[0].items()
    return any(wanted <= grant.items() for grant in grants or [])


def _headers(entry: JsonObject) -> JsonObject:
    headers = entry.get("headers")
    return headers if isinstance(headers, dict) else {}


def _same(address: str, other: str) -> bool:
    return address.rstrip("/") == other.rstrip("/")
