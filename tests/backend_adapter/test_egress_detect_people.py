"""Names are recognised by first names and by the words beside them; nouns, firms and streets are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.egress.detect.detectors import Detectors
from backend_adapter.egress.detect.names.lexicon import first_names
from backend_adapter.egress.detect.names.titles import gender_of


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


def names(detectors: Detectors, text: str) -> list[str]:
    return [each.value for each in detectors.find(text) if each.category == "PERSON"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sehr geehrte Frau Müller-Lüdenscheidt,", ["Müller-Lüdenscheidt"]),
        ("Herr Dr. Hans-Peter von der Leyen kam.", ["Hans-Peter von der Leyen"]),
        ("Prof. Dr. med. Ayşe Yılmaz", ["Ayşe Yılmaz"]),
        ("Herrn Reising erreichen wir nicht.", ["Reising"]),
        ("Frau Zeynabou Diallo wartet.", ["Zeynabou Diallo"]),
        ("Bürgermeister Weber eröffnet.", ["Weber"]),
        ("Kunde Müller rief an.", ["Müller"]),
        ("Dear Mrs Smith,", ["Smith"]),
        ("Mr. John F. Kennedy spoke.", ["John F. Kennedy"]),
        ("Hallo Anna, danke!", ["Anna"]),
        ("hi Tom, thanks", ["Tom"]),
        ("Lieber Jörg,", ["Jörg"]),
        ("mit Anna Weißmüllers Konto", ["Anna Weißmüller"]),
        ("Herrn Müllers Antrag", ["Müller"]),
        ("John Smith's house", ["John Smith"]),
        ("Peter und Anna Schmidt", ["Peter", "Anna Schmidt"]),
        ("Will Smith was here", ["Will Smith"]),
        ("Weißmüller, Jörg", ["Weißmüller, Jörg"]),
        ("MÜLLER, ANNA", ["MÜLLER, ANNA"]),
        ("HANS MEIER", ["HANS MEIER"]),
        ("Maria del Carmen García López", ["Maria del Carmen García López"]),
        ("Frau Anna\nMüller", ["Anna\nMüller"]),
        ("Fredegunde Hoffmann schreibt", ["Fredegunde Hoffmann"]),
        ("Frau Meier, geborene Hoffmannsthal", ["Meier", "Hoffmannsthal"]),
        ("Viele Grüße\nXaverius Tuppe", ["Xaverius Tuppe"]),
        ("Best regards,\n\nXaverius", ["Xaverius"]),
        ("gez. Tuppe", ["Tuppe"]),
        ("Teilnehmer: Zoltan Xyrik, A. Brömme (Bauamt) und Frau Tuppe",
         ["Zoltan Xyrik", "A. Brömme", "Tuppe"]),
        ("Anwesend:\n- Sabine Krüger\n- Xaverius Tuppe", ["Sabine Krüger", "Xaverius Tuppe"]),
        ("Sachbearbeiterin: Tuppe", ["Tuppe"]),
        ("Customer: Zoltan Xyrik", ["Zoltan Xyrik"]),
        ('"name": "zoltan xyrik", "vorname": "Xaverius"', ["zoltan xyrik", "Xaverius"]),
    ],
)  # fmt: skip
def test_names_are_recognised(text: str, expected: list[str], detectors: Detectors) -> None:
    assert names(detectors, text) == expected


def test_who_was_named_once_is_recognised_by_the_surname_alone(detectors: Detectors) -> None:
    text = (
        "Jörg Weißmüller kam. Weißmüllers Antrag fehlt, sagt A. Weißmüller, der Weißmüller blieb."
    )
    assert names(detectors, text) == ["Jörg Weißmüller", "Weißmüller", "A. Weißmüller"]


def test_an_article_tells_a_trade_from_a_name(detectors: Detectors) -> None:
    assert names(detectors, "Frau Bauer traf den Bauer, und Bauer schwieg.") == ["Bauer", "Bauer"]


@pytest.mark.parametrize(
    ("name", "gender"),
    [
        ("Anna Müller", "f"),
        ("Hans-Peter", "m"),
        ("Müller, Anna", "f"),
        ("Frau Müller", "f"),
        ("Herrn Dr. Müller", "m"),
        ("Mrs. Smith", "f"),
        ("ANNA MÜLLER", "f"),
        ("Dr. Jörg Weißmüller", "m"),
        ("Kim Lee", None),
        ("Müller", None),
        ("", None),
    ],
)
def test_the_gender_of_a_name_is_told_by_title_or_first_name(name: str, gender: str | None) -> None:
    assert gender_of(name) == gender


def test_the_list_of_first_names_is_long_and_knows_both_genders() -> None:
    genders = list(first_names().values())
    assert len(genders) >= 1500
    assert min(genders.count("f"), genders.count("m")) >= 700


_FIRST = sorted(name for name, gender in first_names().items() if gender == "f" and len(name) > 3)


@settings(deadline=None, max_examples=50)
@given(first=st.sampled_from(_FIRST), last=st.sampled_from(["Xyrik", "Brömmelhaupt", "Weißmüller"]))
def test_after_a_title_any_listed_first_name_and_any_surname_are_one_name(
    first: str, last: str, detectors: Detectors
) -> None:
    assert names(detectors, f"Das teilte uns Frau {first} {last} gestern mit.") == [
        f"{first} {last}"
    ]


@pytest.mark.parametrize("speaker", ["USER", "User", "user", "**User", "assistant", "System"])
@pytest.mark.parametrize(
    "said",
    [
        "QUERY SELECT first_name FROM x",
        "Explain Big Data",
        "Erkläre Open Source",
        "Hallo, Welt",
        "Mark this as done",
        "will you explain it",
        "Koch mir was",
    ],
)
def test_what_somebody_says_in_a_chat_begins_with_no_name(
    speaker: str, said: str, detectors: Detectors
) -> None:
    assert names(detectors, f"{speaker}: {said}\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User: Zoltan Xyrik", ["Zoltan Xyrik"]),
        ("user: Sabine", ["Sabine"]),
        ("USER: ANNA MÜLLER", ["ANNA MÜLLER"]),
        ("user: anna müller", ["anna müller"]),
        ("User: Mark Miller", ["Mark Miller"]),
        ("User: Hartmann fragt nach Big Data", ["Hartmann"]),
        ("User: Frau Xyrik ist krank", ["Xyrik"]),
        ("user: Explain Big Data to Zoltan Meier", ["Zoltan Meier"]),
        ('{"user": "Fredegunde Xyrik"}', ["Fredegunde Xyrik"]),
        ("user=Fredegunde Xyrik ip=10.0.0.5", ["Fredegunde Xyrik"]),
    ],
)
def test_a_name_after_a_speaker_of_a_chat_or_in_a_field_for_a_user_is_recognised(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert names(detectors, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "USER: QUERY SELECT",
        "user: Explain Big Data",
        "Assistant: Good Morning",
        "Agent: Good Morning",
        "Customer: Blue Widget",
        "CUSTOMER: BLUE WIDGET",
        "customer: Quick Question",
        "owner: Platform Team",
        "Author: Machine Learning",
        "Reporter: Blue Screen",
        "Patient: Blood Pressure",
        "Tenant: Green Energy",
        "Customer: Green Valley",
        "Owner: Black Box",
        "Nutzer: Erkläre Big Data",
        "Kunde: Blaue Tonne",
        "Fahrer: Rote Ampel",
        "Customer: Blue Widget, Green Box",
        "Owner: Data Platform, Xyriander",
        '{"customer": "Blue Widget"}',
        "customer\tamount\nBlue Widget\t5\n",
        "level=info owner=Blue Screen ip=10.0.0.5",
    ],
)
def test_a_phrase_of_ordinary_words_in_a_field_for_people_is_no_name(
    text: str, detectors: Detectors
) -> None:
    assert names(detectors, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User: Max Mustermann", ["Max Mustermann"]),
        ("Kunde: Erika Sonnenfeld", ["Erika Sonnenfeld"]),
        ("owner: jane doe", ["jane doe"]),
        ("Owner: XOLANI DLAMUKA", ["XOLANI DLAMUKA"]),
        # An ordinary word that is a first name, or a surname, too; or beside a word that is not ordinary.
        ("Customer: Summer Field", ["Summer Field"]),
        ("Customer: Blue Brown", ["Blue Brown"]),
        ("Customer: Blue Xyrik", ["Blue Xyrik"]),
        ("Customer: Mr. Good Morning", ["Good Morning"]),
        ("Attendees: Blue Widget, Xolani Dlamuka", ["Xolani Dlamuka"]),
        (
            "Attendees: Xolani Dlamuka, Blue Widget, Emeka Okonjo",
            ["Xolani Dlamuka", "Emeka Okonjo"],
        ),
    ],
)
def test_a_name_in_a_field_for_people_may_have_an_ordinary_word(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert names(detectors, text) == expected
