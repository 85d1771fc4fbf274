"""What an upstream gets through a real adapter, as the egress benchmark counts it."""

import json
from pathlib import Path

import pytest

from benchmarks.egress.adapters import adapter
from benchmarks.egress.corpus import Document, Gold
from benchmarks.egress.leaving import PLACES, leaked, request
from benchmarks.egress.recorder import MODEL, recording
from benchmarks.site import Endpoint

NAME = "Jörg Weißmüller"
TEXT = f"Der Antrag von {NAME} liegt vor."
START = TEXT.index(NAME)
DOCUMENT = Document(
    TEXT, (Gold(START, START + len(NAME), "PERSON"),), (), "t", "de", "note", "open"
)


@pytest.mark.parametrize("place", PLACES)
def test_a_text_stands_in_its_place_and_nowhere_else(place: str) -> None:
    said = json.dumps(request(TEXT, place), ensure_ascii=False)
    assert said.count(TEXT) == 1


def test_the_upstream_of_the_site_gets_a_name_and_anybodys_does_not(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"name\n{NAME}\n", encoding="utf-8")
    lists = [{"path": str(people), "column": "name", "kind": "person"}]
    shares = {}
    for trust in ("site", "public"):
        with recording() as recorder:
            upstream = Endpoint(f"http://127.0.0.1:{recorder.port}/v1", "none")
            with adapter(tmp_path / trust, upstream, MODEL, trust, lists) as port:
                found = {place: leaked([DOCUMENT], place, port, recorder) for place in PLACES}
                assert recorder.bodies
        assert not any(each["refused"] for each in found.values()), found
        shares[trust] = {each["share"] for each in found.values()}
    assert shares == {"site": {1.0}, "public": {0.0}}
