"""What `hoheit vllm check` looks at, and how it shows what it found."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from backend_adapter.vllm.check import Finding, Target, examine
from hoheit.errors import SettingsError
from hoheit.settings import Settings

_MARKS = {"ok": "✔", "warning": "!", "fault": "✘"}


def targets(
    site: Settings, named: Sequence[str], key_file: Path | None, layout: str | None
) -> list[Target]:
    """The servers to look at: those that are named, else all vLLM upstreams. Raises SettingsError."""
    upstreams = {each.name: each for each in site.adapter.upstreams if each.engine == "vllm"}
    found = []
    for name in named or upstreams:
        if name.startswith(("http://", "https://")):
            found.append(Target(name, name, _key(site, key_file), layout))
        elif name in upstreams:
            upstream = upstreams[name]
            key = upstream.api_key.get_secret_value() if upstream.api_key else None
            found.append(Target(name, upstream.base_url, key, layout))
        else:
            raise SettingsError(
                f'{name!r} is neither an address nor an upstream with engine = "vllm".',
                f"The upstreams are: {', '.join(upstreams) or 'none'}.",
            )
    if not found:
        raise SettingsError(
            'No upstream has engine = "vllm".', "Name the address of a server: http://…/v1."
        )
    return found


def _key(site: Settings, key_file: Path | None) -> str | None:
    if key_file is not None:
        try:
            return key_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"The key {key_file} cannot be read: {error.strerror}.") from error
    key = site.vllm.api_key
    return None if key is None else key.get_secret_value()


def examine_all(given: Sequence[Target]) -> list[Finding]:
    """What there is to say about all of them, in their order; they are asked side by side."""

    async def together() -> list[list[Finding]]:
        return await asyncio.gather(*(examine(each) for each in given))

    return [finding for findings in asyncio.run(together()) for finding in findings]


def shown(findings: Sequence[Finding]) -> str:
    """One line for each, with what to do about it below."""
    lines = []
    for each in findings:
        lines.append(f"{_MARKS[each.verdict]} {each.subject}: {each.found}")
        if each.remedy:
            lines.append(f"    → {each.remedy}")
    return "\n".join(lines)
