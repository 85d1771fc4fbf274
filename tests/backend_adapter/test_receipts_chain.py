"""A receipt's bytes are the same for every program, and no change of a chain goes unnoticed."""

import hashlib
import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receipt_samples import TIME, chained, made

from backend_adapter.egress.receipts.chain import START, BrokenChainError, Link, link_hash, verify
from backend_adapter.egress.receipts.record import (
    MAX_CHARS,
    Receipt,
    as_row,
    canonical,
    from_row,
)

TEXTS = st.text(st.characters(codec=None), max_size=30)
COUNTS = st.dictionaries(TEXTS, st.integers(0, 10**9), max_size=5)
RECEIPTS = st.builds(
    made,
    time=st.datetimes(timezones=st.just(UTC)).filter(lambda time: time.year > 999),
    user=TEXTS,
    chat=TEXTS,
    message=TEXTS,
    model=TEXTS,
    policy=TEXTS,
    action=st.sampled_from(["send", "pseudonymise", "on_site", "refuse"]),
    trust=st.sampled_from(["site", "partner", "public"]),
    passages=COUNTS,
    counts=COUNTS,
)

# Each field with another value than `made` gives it.
OTHER: dict[str, Any] = {
    "time": TIME + timedelta(milliseconds=1),
    "user": "berta",
    "client": "script",
    "chat": "chat-2",
    "message": "",
    "task": "title_generation",
    "model": "n",
    "destination": "swarm",
    "site": "Graz",
    "trust": "public",
    "action": "send",
    "policy": "policy.yaml:8",
    "data_class": "public",
    "passages": {"files": 2},
    "counts": {"person": 4},
    "bytes": 1,
    "body_sha256": "0" * 64,
}


def test_the_bytes_that_are_hashed_are_canonical_json():
    receipt = made(None, time=TIME, counts={"ü": 1, "z": 2, "\U0001f600": 3, "\ufb33": 4})
    assert canonical(receipt).decode() == (
        '{"action":"pseudonymise","body_sha256":"","bytes":0,"chat":"chat-1","client":"site",'
        # By UTF-16 code units: U+1F600 is D83D DE00 there, and comes before U+FB33.
        '"counts":{"z":2,"ü":1,"\U0001f600":3,"\ufb33":4},'
        '"data_class":"internal","destination":"cluster","message":"message-1","model":"m",'
        '"passages":{"files":3},"policy":"policy.yaml:7","site":"Lyon","task":"",'
        '"time":"2026-11-27T08:30:12.345Z","trust":"partner","user":"anna"}'
    )


def test_a_hash_covers_the_one_before_and_the_receipt():
    before, receipt = "ab" * 32, made()
    expected = hashlib.sha256(bytes.fromhex(before) + canonical(receipt)).hexdigest()
    assert link_hash(before, receipt) == expected


@given(RECEIPTS)
def test_a_receipt_comes_back_from_its_row_as_it_was(receipt: Receipt):
    row = as_row(receipt)
    assert from_row(row) == receipt
    assert canonical(from_row(row)) == canonical(receipt)
    assert json.loads(canonical(receipt))["user"] == receipt.user
    for value in row.values():
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode()


def test_times_are_kept_in_utc_to_the_millisecond():
    vienna = timezone(timedelta(hours=1))
    receipt = made(time=datetime(2026, 11, 27, 9, 30, 12, 345_999, tzinfo=vienna))
    assert receipt.time == TIME
    with pytest.raises(ValueError, match="no time zone"):
        made(time=datetime(2026, 11, 27))


def test_a_client_cannot_fill_the_database_with_a_long_name():
    receipt = made(chat="c" * 100_000, counts={"k" * 100_000: 1})
    assert len(receipt.chat) == MAX_CHARS
    assert [len(name) for name in receipt.counts] == [MAX_CHARS]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bytes": -1},
        {"bytes": 2**53},
        {"bytes": 1.5},
        {"counts": {"person": -1}},
        {"counts": {"person": True}},
        {"trust": "nobody"},
        {"action": "shred"},
        {"body_sha256": "A" * 64},
        {"body_sha256": "12"},
    ],
)
def test_what_is_no_number_and_no_hash_makes_no_receipt(wrong: dict[str, Any]):
    with pytest.raises(ValueError):
        made(**wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", "2026-11-27T08:30:12.345+00:00"),
        ("time", "2026-13-27T08:30:12.345Z"),
        ("time", 1),
        ("user", None),
        ("counts", '{"iban": 1}'),
        ("counts", '{"iban":1,"iban":1}'),
        ("counts", '{"iban":"1"}'),
        ("counts", "[]"),
        ("counts", "["),
        ("counts", "[" * 100_000),
        ("passages", "NaN"),
        ("bytes", "12"),
        ("trust", "nobody"),
        ("model", "m\x00"),
    ],
)
def test_a_row_in_another_form_is_no_receipt(field: str, value: object):
    with pytest.raises(ValueError):
        from_row({**as_row(made()), field: value})


def test_a_chain_that_nobody_touched_holds_and_tells_its_head():
    links = chained([made(message=str(number)) for number in range(20)])
    assert verify(links) == (20, links[-1].hash)
    assert verify(links, (7, links[6].hash)) == (20, links[-1].hash)
    assert verify([]) == (0, START)
    assert verify([], (0, START)) == (0, START)


def test_every_field_has_another_value_here():
    assert set(OTHER) == {each.name for each in fields(Receipt)}
    assert all(getattr(made(), name) != value for name, value in OTHER.items())


@pytest.mark.parametrize("field", OTHER)
def test_a_changed_field_is_found(field: str):
    links = chained([made() for _ in range(5)])
    links[2] = replace(links[2], receipt=made(**{field: OTHER[field]}))
    assert broken(links) == (3, "changed")


def test_a_changed_receipt_with_a_new_hash_is_found_at_the_next():
    links = chained([made() for _ in range(5)])
    other = made(user="berta")
    links[2] = Link(3, other, links[2].previous, link_hash(links[2].previous, other))
    assert broken(links) == (4, "out of order")


def test_a_chain_that_is_computed_anew_is_found_by_a_head_kept_elsewhere():
    links = chained([made() for _ in range(5)])
    anew = chained([made(), made(), made(user="berta"), made(), made()])
    assert verify(anew)[0] == 5
    assert broken(anew, (5, links[4].hash)) == (5, "changed")
    assert broken(anew, (3, links[2].hash)) == (3, "changed")


@pytest.mark.parametrize("gone", [0, 2, 3])
def test_a_receipt_that_was_taken_out_is_found(gone: int):
    links = chained([made(message=str(number)) for number in range(5)])
    del links[gone]
    assert broken(links) == (gone + 1, "missing")


def test_numbers_that_close_the_gap_do_not_hide_it():
    links = chained([made(message=str(number)) for number in range(5)])
    del links[2]
    closed = [replace(link, seq=seq) for seq, link in enumerate(links, start=1)]
    assert broken(closed) == (3, "out of order")


def test_receipts_that_changed_places_are_found():
    links = chained([made(message=str(number)) for number in range(5)])
    links[1], links[2] = replace(links[2], seq=2), replace(links[1], seq=3)
    assert broken(links) == (2, "out of order")


def test_rows_out_of_the_order_of_their_numbers_are_found():
    links = chained([made() for _ in range(5)])
    assert broken([*links[:3], links[1], *links[3:]]) == (2, "out of order")
    assert broken([replace(links[0], seq=-4), *links]) == (-4, "out of order")


@pytest.mark.parametrize("left", [0, 1, 4])
def test_an_end_that_was_cut_off_is_found_by_a_head_kept_elsewhere(left: int):
    links = chained([made() for _ in range(5)])
    assert verify(links[:left])[0] == left
    assert broken(links[:left], (5, links[4].hash)) == (left + 1, "missing")


@pytest.mark.parametrize(
    "change",
    [
        {"receipt": None},
        {"hash": ""},
        {"hash": None},
        {"previous": "no hash"},
        {"previous": None},
        {"previous": "00"},
    ],
)
def test_a_row_that_cannot_be_read_counts_as_changed(change: dict[str, Any]):
    links = chained([made() for _ in range(3)])
    links[1] = replace(links[1], **change)
    assert broken(links) == (2, "changed")


@given(st.data())
def test_no_single_change_goes_unnoticed(data: st.DataObject):
    receipts = data.draw(st.lists(RECEIPTS, min_size=2, max_size=6))
    links = chained(receipts)
    head = (len(links), links[-1].hash)
    place = data.draw(st.integers(0, len(links) - 1))
    other = data.draw(RECEIPTS.filter(lambda receipt: receipt != receipts[place]))
    links[place] = replace(links[place], receipt=other)
    assert broken(links, head) == (place + 1, "changed")


def broken(links: list[Link], head: tuple[int, str] | None = None) -> tuple[int, str]:
    with pytest.raises(BrokenChainError) as found:
        verify(links, head)
    assert f"Receipt {found.value.seq} is {found.value.fault}" in str(found.value)
    return found.value.seq, found.value.fault
