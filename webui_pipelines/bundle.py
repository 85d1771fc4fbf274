"""What an admin imports into Open WebUI: each function by its link, all of them as one JSON file.

The adapter serves `page()` at /install and each of `files` at /install/NAME, so that a site without
internet installs from its own machine.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from string import Template
from types import MappingProxyType
from typing import Any

JSON_NAME = "functions.json"
# In the order of the install page: what most sites want first.
_FUNCTION_IDS = ("hoheit_filter", "hoheit_sent", "hoheit_on_site", "hoheit_pipe")


@dataclass(frozen=True)
class BundleFile:
    """A file to serve as it is."""

    content_type: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Function:
    """One function: `id` is also its file's name without `.py`, as Open WebUI expects of a link."""

    id: str
    source: str
    manifest: Mapping[str, str]

    @property
    def form(self) -> dict[str, Any]:
        """The object that Open WebUI takes to create or update it (`FunctionForm`)."""
        return {
            "id": self.id,
            "name": self.manifest["title"],
            "content": self.source,
            "meta": {
                "description": self.manifest["description"],
                "manifest": dict(self.manifest),
            },
        }


@dataclass(frozen=True)
class Bundle:
    """All functions, and the files that carry them."""

    functions: tuple[Function, ...]
    files: Mapping[str, BundleFile]

    def function(self, function_id: str) -> Function:
        """Raises KeyError when there is no such function."""
        return {function.id: function for function in self.functions}[function_id]

    def page(self, base_url: str) -> str:
        """The install page as HTML; `base_url` is where Open WebUI reaches /install, without it."""
        base = base_url.rstrip("/")
        rows = "\n".join(self._row(function, base) for function in self.functions)
        archive = self.files[JSON_NAME]
        return Template(_read("install.html")).substitute(
            rows=rows,
            json_name=JSON_NAME,
            json_url=escape(f"{base}/install/{JSON_NAME}"),
            json_sha256=archive.sha256,
        )

    def _row(self, function: Function, base: str) -> str:
        name = f"{function.id}.py"
        return Template(_read("install_row.html")).substitute(
            title=escape(function.manifest["title"]),
            version=escape(function.manifest["version"]),
            needs=escape(function.manifest["required_open_webui_version"]),
            description=escape(function.manifest["description"]),
            url=escape(f"{base}/install/{name}"),
            sha256=self.files[name].sha256,
        )


@cache
def bundle() -> Bundle:
    """The bundle of this version."""
    functions = tuple(
        Function(name, source := _read(f"functions/{name}.py"), _manifest(source))
        for name in _FUNCTION_IDS
    )
    files = {
        f"{function.id}.py": BundleFile("text/x-python; charset=utf-8", function.source)
        for function in functions
    }
    everything = json.dumps([function.form for function in functions], ensure_ascii=False, indent=2)
    files[JSON_NAME] = BundleFile("application/json", everything + "\n")
    return Bundle(functions, MappingProxyType(files))


def _manifest(source: str) -> Mapping[str, str]:
    """The frontmatter: `key: value` lines of the docstring that opens the file."""
    head = source.split('"""', 2)[1]
    return MappingProxyType(dict(re.findall(r"^([a-z_]+):[ \t]*(.*?)[ \t]*$", head, re.MULTILINE)))


def _read(path: str) -> str:
    return resources.files("webui_pipelines").joinpath(path).read_text(encoding="utf-8")
