"""`hoheit receipts`: what left the site, for whom and to whom, and whether the record of it still holds."""

import asyncio
import json
import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hoheit.options import JsonOption, SettingsOption

if TYPE_CHECKING:  # `hoheit --help` need not wait for the database's imports
    from backend_adapter.egress.receipts.chain import Link
    from hoheit.receipts.verifying import Verified

app = typer.Typer(
    name="receipts",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What left the site, and whether the record of it still holds.\n\n"
    "Example: `hoheit receipts verify`",
)

_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
# What would steer a terminal or turn the writing round; JSON says the same with an escape.
_STEERING = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(
            f"{given!r} is no time; write 2026-11-27 or 2026-11-27T08:30+01:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _head(given: str) -> tuple[int, str]:
    found = _HEAD.fullmatch(given.strip().lower())
    if found is None:
        raise typer.BadParameter(
            f"{given!r} is no head; write the number, a colon and the hash, as 'verify' printed them.",
            param_hint="--head",
        )
    return int(found[1]), found[2]


ChatOption = Annotated[str | None, typer.Option(help="Only those of the chat with this id.")]
UserOption = Annotated[str | None, typer.Option(help="Only those of this user.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        parser=_moment,
        metavar="TIME",
        help="Only those from this time on: 2026-11-27, or 2026-11-27T08:30+01:00. In UTC by default.",
    ),
]


@app.callback()
def _group() -> None:
    """What left the site, and whether the record of it still holds."""


@app.command(
    "list", epilog="Example: `hoheit receipts list --user anna@example.org --since 2026-11-01`"
)
def list_(
    chat: ChatOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest ones.")] = 50,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Prints receipts, the newest last: number, time, user, chat, model, destination, what was done."""
    from backend_adapter.egress.receipts.store import Selection
    from hoheit.receipts.reading import site_receipts

    async def find() -> "list[Link]":
        async with site_receipts(settings) as receipts:
            return await receipts.latest(Selection(chat=chat, user=user, since=since), last)

    found = asyncio.run(find())
    if as_json:
        typer.echo(json.dumps({"receipts": [_fields(link) for link in found]}, ensure_ascii=False))
        return
    for link in found:
        typer.echo(_line(link))


@app.command(epilog="Example: `hoheit receipts show 1042`")
def show(
    seq: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="Number of the receipt.")],
    settings: SettingsOption = None,
) -> None:
    """Prints the body that left with a receipt, to the byte; the receipt itself on standard error.

    On a terminal, characters that would steer it are written as JSON escapes.
    """
    from backend_adapter.egress.receipts.store import Body
    from hoheit.errors import HoheitError
    from hoheit.receipts.reading import site_receipts

    async def find() -> "tuple[Link | None, Body | None]":
        async with site_receipts(settings) as receipts:
            return await receipts.find(seq), await receipts.body(seq)

    link, body = asyncio.run(find())
    if link is None:
        raise HoheitError(
            f"There is no receipt {seq}.", "'hoheit receipts list' prints the newest ones."
        )
    typer.echo(_line(link), err=True)
    if body is None:
        left = link.receipt is not None and link.receipt.body_sha256
        raise HoheitError(
            f"The body of receipt {seq} is not kept any more."
            if left
            else f"Nothing left the site with receipt {seq}.",
            "A body is kept for [adapter.egress.receipts] body_days." if left else "",
        )
    if sys.stdout.isatty():
        text = body.body.decode(errors="replace")
        typer.echo(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
        return
    sys.stdout.buffer.write(body.body)


@app.command(epilog="Example: `hoheit receipts verify --head 1042:5f3c…`")
def verify(
    head: Annotated[
        str | None,
        typer.Option(
            metavar="SEQ:HASH",
            help="A head that was kept elsewhere, which must still be in the chain.",
        ),
    ] = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Checks every receipt against the one before it, and says where the chain breaks (and ends with 1).

    The head it prints is to be kept where nobody who can write the database can write: with --head it proves
    later that nothing up to there was changed, taken out or cut off.
    """
    from backend_adapter.egress.receipts.chain import BrokenChainError
    from hoheit.receipts.reading import site_receipts
    from hoheit.receipts.verifying import verify as walk

    kept = None if head is None else _head(head)

    async def check() -> "Verified":
        async with site_receipts(settings) as receipts:
            return await walk(receipts, kept)

    try:
        found = asyncio.run(check())
    except BrokenChainError as error:
        if not as_json:
            raise
        broken = {"seq": error.seq, "fault": error.fault, "message": str(error)}
        typer.echo(json.dumps({"broken": broken}))
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    if found.receipts == 0:
        typer.echo("There is no receipt yet.")
        return
    typer.echo(f"{found.receipts} receipts hold, from {found.first} to {found.last}.")
    if kept is not None:
        typer.echo(f"Receipt {kept[0]} is the one whose hash was kept.")
    typer.echo(f"head: {found.head}")


@app.command(
    epilog="Example: `hoheit receipts export --format pdf --language de --since 2026-11-01 --output report.pdf`"
)
def export(
    output: Annotated[Path, typer.Option(help="File to write; an older one is replaced.")],
    format_: Annotated[
        Literal["csv", "pdf"],
        typer.Option("--format", help="A table (CSV), or pages for each chat (PDF)."),
    ] = "csv",
    chat: ChatOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    language: Annotated[Literal["de", "en"], typer.Option(help="Language of the PDF.")] = "en",
    font: Annotated[
        Path | None,
        typer.Option(
            help="TrueType file for the PDF, for names in other letters than Western European ones."
        ),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Writes receipts to a file, for a data protection officer or a spreadsheet."""
    from backend_adapter.egress.receipts.store import Selection
    from hoheit.receipts.exporting import export_csv, export_pdf
    from hoheit.receipts.reading import site_receipts

    selection = Selection(chat=chat, user=user, since=since)

    async def write() -> int:
        async with site_receipts(settings) as receipts:
            if format_ == "csv":
                return await export_csv(receipts, selection, output)
            return await export_pdf(receipts, selection, output, language, font)

    typer.echo(f"{asyncio.run(write())} receipts written to {output}.", err=True)


def _fields(link: "Link") -> dict[str, object]:
    from backend_adapter.egress.receipts.record import as_json

    known: dict[str, object] = as_json(link.receipt) if link.receipt else {"unreadable": True}
    return {"seq": link.seq, **known, "previous": link.previous, "hash": link.hash}


def _line(link: "Link") -> str:
    """A receipt in one line, whatever stands in it."""
    from backend_adapter.chat.plain import plain_text
    from backend_adapter.egress.receipts.export import counted
    from backend_adapter.egress.receipts.record import iso

    receipt = link.receipt
    if receipt is None:
        return f"{link.seq:>8}  its row cannot be read; run 'hoheit receipts verify'"
    where = f"{receipt.destination} ({receipt.site})" if receipt.site else receipt.destination
    parts = (
        iso(receipt.time), receipt.user, receipt.chat or "-", receipt.task or "chat", receipt.model,
        f"→ {where}", receipt.action, receipt.policy, f"{receipt.bytes} B",
        counted(receipt.counts) or "nothing replaced",
    )  # fmt: skip
    return f"{link.seq:>8}  " + "  ".join(plain_text(part, 80) for part in parts)
