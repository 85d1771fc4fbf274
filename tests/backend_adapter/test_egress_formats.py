"""What a program must be able to parse stays so under its pseudonym: account numbers, addresses of mail, dates."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban

from backend_adapter.egress.naming import dates
from backend_adapter.egress.naming.iban import grouped
from backend_adapter.egress.pseudonyms import Pseudonyms
from backend_adapter.egress.restore import Restoring

KEY = b"k" * 32
IBANS = [
    "DE89370400440532013000",
    "AT611904300234573201",
    "CH9300762011623852957",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "BE68539007547034",
    "ES9121000418450200051332",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "PL61109010140000071219812874",
]
DAY = "1980-03-05"


def chat(text: str = "", *, name: str = "a") -> Pseudonyms:
    pseudonyms = Pseudonyms(KEY, name)
    pseudonyms.reserve(text)
    return pseudonyms


def restored(text: str, pseudonyms: Pseudonyms, cut: int | None = None) -> str:
    restoring = Restoring(pseudonyms.restorable)
    step = cut or max(1, len(text))
    pieces = [text[begin : begin + step] for begin in range(0, len(text), step)]
    return "".join(map(restoring.feed, pieces)) + restoring.end()


@pytest.mark.parametrize("value", IBANS)
def test_an_account_number_stays_one_of_its_country(value: str) -> None:
    pseudonyms = chat()
    name = pseudonyms.of("iban", value)
    assert name != value
    assert (name[:2], len(name)) == (value[:2], len(value))
    # Its country's own check digits are right where those of the value are.
    assert iban.is_valid(name, check_country=False)
    assert iban.is_valid(name) == iban.is_valid(value)
    assert [char.isdigit() for char in name] == [char.isdigit() for char in value]
    assert chat(name="b").of("iban", value) != name


@pytest.mark.parametrize("value", IBANS)
@pytest.mark.parametrize("between", ["", " ", "-", ".", "\u00a0"])
def test_an_account_number_comes_back_in_the_groups_in_which_it_is_written(
    value: str, between: str
) -> None:
    pseudonyms = chat()
    name = pseudonyms.of("iban", value)
    for said in (name, name.lower()):
        for cut in (1, 7, None):
            text = f"Konto: {grouped(said, between)}, und mehr"
            assert restored(text, pseudonyms, cut) == f"Konto: {grouped(value, between)}, und mehr"
    # Its groups are those that the text has.
    assert pseudonyms.of("iban", value, written=grouped(value, between)) == grouped(name, between)


def test_an_account_number_is_of_a_bank_that_is_not_there() -> None:
    assert chat().of("iban", "DE89370400440532013000")[4:12] == "99990417"


def test_what_is_no_account_number_has_a_pseudonym_of_letters() -> None:
    assert re.fullmatch(r"Konto-\w{3}", chat().of("iban", "DE00 1234"))


def test_an_account_number_that_stands_in_the_text_is_not_taken() -> None:
    first = chat().of("iban", IBANS[0])
    second = chat(f"an {grouped(first, ' ')} zahlen").of("iban", IBANS[0])
    assert second != first
    assert iban.is_valid(second)


@pytest.mark.parametrize(
    "text",
    [
        "{}9",
        "x{}",
        "{}X",
    ],
)
def test_a_part_of_something_longer_is_no_account_number(text: str) -> None:
    pseudonyms = chat()
    said = text.format(pseudonyms.of("iban", IBANS[0]))
    assert restored(said, pseudonyms) == said


def test_an_address_of_mail_stays_one_that_nobody_has() -> None:
    pseudonyms = chat()
    name = pseudonyms.of("email", "max.mueller@lindenau.example")
    assert re.fullmatch(r"mail-[a-z0-9]{3}@example\.invalid", name)
    local = name.partition("@")[0]
    for said, back in {
        f"<{name}>": "<max.mueller@lindenau.example>",
        f"[{name}](mailto:{name})": "[max.mueller@lindenau.example](mailto:max.mueller@lindenau.example)",
        name.upper(): "max.mueller@lindenau.example",
        f"an {name}.": "an max.mueller@lindenau.example.",
        f"{local}(at)example.invalid": "max.mueller@lindenau.example",
        f"{local}%40example.invalid": "max.mueller@lindenau.example",
        local.title(): "max.mueller@lindenau.example",
        f"{local}@example.com": f"{local}@example.com",
    }.items():
        for cut in (1, 4, None):
            assert restored(said, pseudonyms, cut) == back


MARKS = re.compile(r"[\W_]+")
WRITTEN = [
    "1980-03-05",
    "1980/03/05",
    "19800305",
    "05.03.1980",
    "5.3.1980",
    "05. 03. 1980",
    "05.03.80",
    "05/03/1980",
    "03/05/1980",
    "05-03-1980",
    "5. März 1980",
    "05. März 1980",
    "5 March 1980",
    "March 5, 1980",
    "March 5th, 1980",
    "Mar 5, 1980",
    "5. Mär. 1980",
    "5-Mar-1980",
    "5. MÄRZ 1980",
    "5th of March 1980",
]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_date_is_shifted_in_the_style_in_which_it_stands(written: str) -> None:
    pseudonyms = chat(f"geboren am {written} in Lindenau")
    said = pseudonyms.of("date", DAY, written=written)
    [(name, value)] = pseudonyms.values.items()
    assert (value, said != written) == (DAY, True)
    read = dates.read(said)
    assert read is not None
    assert date.fromisoformat(name) in read.days
    assert MARKS.findall(said) == MARKS.findall(written)
    for cut in (1, 3, None):
        back = dates.read(restored(f"am {said}: ja", pseudonyms, cut)[3:-4])
        assert back is not None
        assert date.fromisoformat(DAY) in back.days


@pytest.mark.parametrize(
    "written", [each for each in WRITTEN if each not in ("5.3.1980", "05. März 1980")]
)
def test_whatever_style_the_model_takes_it_comes_back_in_that(written: str) -> None:
    """With a day and month of two digits, nothing tells whether zeros stand before shorter ones."""
    pseudonyms = chat("am 5.3.1980")
    name = date.fromisoformat(pseudonyms.of("date", DAY))
    style = dates.read(written)
    assert style is not None
    said = style.like(name, date.fromisoformat(DAY))
    for cut in (1, 3, None):
        assert restored(f"am {said}.", pseudonyms, cut) == f"am {written}."


def test_what_is_between_two_dates_stays_and_so_does_the_day_of_the_week() -> None:
    days = [date(1980, 3, 5) + timedelta(days=each) for each in (0, 1, 40, 10_000)]
    pseudonyms = chat(", ".join(map(str, days)))
    moved = [date.fromisoformat(pseudonyms.of("date", each.isoformat())) for each in days]
    assert [each - moved[0] for each in moved] == [each - days[0] for each in days]
    assert [each.weekday() for each in moved] == [each.weekday() for each in days]
    by = abs((moved[0] - days[0]).days)
    assert 28 <= by <= 5 * 366


def test_each_chat_has_its_own_shift() -> None:
    shifts = {chat(name=f"{number}").of("date", DAY) for number in range(200)}
    assert len(shifts) > 120
    assert DAY not in shifts


def test_dates_are_not_shifted_unless_it_is_known_what_else_stands_there() -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    name = pseudonyms.of("date", DAY, written="5. März 1980")
    assert re.fullmatch(r"Datum-\w{3}", name)
    assert restored(f"am {name}.", pseudonyms) == f"am {DAY}."


@pytest.mark.parametrize("value", ["9999-12-31", "1000-01-01", "irgendwann"])
def test_a_date_that_cannot_be_shifted_has_a_pseudonym_all_the_same(value: str) -> None:
    for number in range(8):
        pseudonyms = chat(value, name=f"{number}")
        name = pseudonyms.of("date", value)
        assert name != value
        assert restored(name, pseudonyms) == value


@pytest.mark.parametrize("style", ["{0:%Y-%m-%d}", "{0:%d.%m.%Y}", "{0:%d.%m.%y}", "{0:%m/%d/%Y}"])
def test_no_date_is_shifted_to_one_that_stands_there(style: str) -> None:
    first = date.fromisoformat(chat().of("date", DAY))
    text = f"{DAY} und {style.format(first)}"
    pseudonyms = chat(text)
    second = pseudonyms.of("date", DAY)
    assert second != first.isoformat()
    assert restored(style.format(first), pseudonyms) == style.format(first)


@given(st.lists(st.dates(date(1901, 1, 1), date(2090, 12, 31)), min_size=1, max_size=40))
def test_dates_shifted_and_restored_are_the_dates(days: list[date]) -> None:
    text = "; ".join(f"{day:%d.%m.%Y}" for day in days)
    pseudonyms = chat(text)
    said = [pseudonyms.of("date", f"{day}", written=f"{day:%d.%m.%Y}") for day in days[::2]]
    # Those that nobody labelled stay as they are.
    told = [
        said[place // 2] if place % 2 == 0 else f"{day:%d.%m.%Y}" for place, day in enumerate(days)
    ]
    labelled = set(days[::2])
    told = [
        pseudonyms.of("date", f"{day}", written=f"{day:%d.%m.%Y}") if day in labelled else each
        for day, each in zip(days, told, strict=True)
    ]
    assert not {f"{day:%d.%m.%Y}" for day in labelled} & set(told)
    assert restored("; ".join(told), pseudonyms, 5) == text


def test_a_year_of_days_can_be_shifted() -> None:
    days = [date(2020, 1, 1) + timedelta(days=each) for each in range(2_500)]
    pseudonyms = chat(" ".join(map(str, days)))
    moved = {pseudonyms.of("date", each.isoformat()) for each in days}
    assert len(moved) == len(days)
    assert moved.isdisjoint(map(str, days))


@pytest.mark.parametrize(
    "text",
    [
        "5.3",
        "31.02.1980",
        "0815",
        "1980",
        "12.12.123",
        "99/99/9999",
        "2024-00-01",
        "١٢.٠٣.١٩٨٠",
        "März 1980",
    ],
)
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert dates.read(text) is None
