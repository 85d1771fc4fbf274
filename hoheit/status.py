"""How the parts are doing right now, seen from any terminal."""

import asyncio
from dataclasses import replace

import aiohttp

from hoheit.home import Home
from hoheit.parts import Part
from hoheit.state import PartState, load
from hoheit.supervisor import answers


async def look(home: Home, wanted: list[Part]) -> list[PartState]:
    """One row per part: what the supervisor wrote down, checked against the process and its health."""
    written = load(home)
    supervised = written is not None and written.supervisor.lives()
    known = {part.name: part for part in written.parts} if written else {}
    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(
            *(_look_at(session, part, known.get(part.name), supervised) for part in wanted)
        )


async def _look_at(
    session: aiohttp.ClientSession, part: Part, written: PartState | None, supervised: bool
) -> PartState:
    stopped = PartState(part.name, part.address, "stopped")
    lives = written is not None and written.process is not None and written.process.lives()
    if written is None or not (supervised or lives):
        if await answers(session, part.address + part.health):
            detail = "answers, but was not started by this 'hoheit up'"
            return PartState(part.name, part.address, "ready", None, detail)
        if written is not None and written.state in ("ready", "starting"):
            detail = "its supervisor was killed, and it ended with it; start it with 'hoheit up'"
            return PartState(part.name, part.address, "failed", None, detail)
        # Why the last start failed stays to be read until the next one.
        return written if written and written.state == "failed" else stopped
    if written.state == "ready":
        if not lives:
            return replace(written, state="failed", process=None, detail="its process is gone")
        if not await answers(session, written.address + part.health):
            detail = f"its process lives but does not answer at {written.address}{part.health}"
            return replace(written, state="failed", detail=detail)
    return written
