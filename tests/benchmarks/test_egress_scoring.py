"""How found values are counted, on texts whose counts are known."""

from benchmarks.egress.corpus import Document, Gold
from benchmarks.egress.scoring import Place, merged, score, stands_in

TEXT = "Frau Anna Lang, Tel. 0351 4889988, Auftrag 4711."
NAME, PHONE = Gold(5, 14, "PERSON"), Gold(21, 33, "PHONE")
DOCUMENT = Document(TEXT, (NAME, PHONE), (Gold(0, 4, "~"),), "t", "de", "note", "open")


def counted(*places: Place, unjudged: frozenset[str] = frozenset()) -> tuple[float, float]:
    found = score([DOCUMENT], [places], unjudged)
    return found.recall, found.precision


def test_nothing_found_is_no_recall_and_no_mistake() -> None:
    assert counted() == (0.0, 1.0)


def test_a_value_of_which_one_letter_stays_is_missed() -> None:
    assert counted(Place(5, 13, "PERSON")) == (0.0, 1.0)
    assert counted(Place(5, 14, "PERSON")) == (0.5, 1.0)


def test_a_value_may_be_covered_by_several_places_and_its_blanks_by_none() -> None:
    assert counted(Place(5, 9, "PERSON"), Place(10, 14, "NAME")) == (0.5, 1.0)


def test_whoever_finds_the_whole_line_is_wrong() -> None:
    line = "Auftrag 4711 und 4712 vom Mai 2025 über 3 Stück für Anna Lang"
    start = line.index("Anna")
    document = Document(line, (Gold(start, len(line), "PERSON"),), (), "t", "de", "note", "open")
    found = score([document], [[Place(0, len(line), "PERSON")]])
    assert (found.recall, found.precision) == (1.0, 0.0)


def test_one_word_that_holds_a_whole_value_is_right() -> None:
    text = "postgresql://hoheit:Hafen#7@db.intern:5432/lindenau"
    value = Gold(text.index("Hafen"), text.index("@"), "SECRET")
    document = Document(text, (value,), (), "t", "de", "log", "open")
    found = score([document], [[Place(0, len(text), "CONNECTION_STRING")]])
    assert (found.recall, found.precision) == (1.0, 1.0)


def test_an_order_number_is_a_mistake_unless_nobody_judges_it() -> None:
    order = Place(43, 47, "DATE_TIME")
    assert counted(Place(5, 14, "PERSON"), order) == (0.5, 0.5)
    assert counted(Place(5, 14, "PERSON"), order, unjudged=frozenset({"DATE_TIME"})) == (0.5, 1.0)


def test_what_is_found_in_a_neutral_place_counts_for_nothing() -> None:
    assert counted(Place(0, 4, "TITLE")) == (0.0, 1.0)


def test_places_that_overlap_are_one() -> None:
    places = [Place(0, 4, "A"), Place(2, 9, "B"), Place(9, 12, "C")]
    assert merged(places) == [Place(0, 9, "B"), Place(9, 12, "C")]


def test_a_value_stands_in_a_text_by_a_part_of_it_that_tells_it() -> None:
    assert stands_in(DOCUMENT, NAME, "mit Anna Lang")
    assert stands_in(DOCUMENT, NAME, "mit Frau Lang")
    assert stands_in(DOCUMENT, PHONE, "unter 4889988")
    assert not stands_in(DOCUMENT, NAME, "Frau Person-K7Q, Auftrag 4711")
