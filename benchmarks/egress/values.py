"""Makes the values that the corpus hides: real in form, with right check digits, and nobody's.

Sources of the check digits: RVNR, VKVV section 2 (cross sums of products with 2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1);
KVNR, GKV-Spitzenverband, "Krankenversichertennummer" (Luhn's over the letter's number and eight digits); ID card,
ICAO Doc 9303 part 3 (7, 3, 1). The others are python-stdnum's and Faker's.
"""

import base64
import random
import string
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from faker import Faker
from stdnum import luhn
from stdnum.at import uid
from stdnum.de import idnr, vat
from stdnum.iso7064 import mod_11_10

_NAMES = Path(__file__).parent / "names.txt"
_MONTHS_DE = (
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
)
_MONTHS_EN = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Area codes that exist, and calling codes of mobile networks.
_AREAS = (
    "030",
    "040",
    "089",
    "0221",
    "0351",
    "0341",
    "0711",
    "0211",
    "0611",
    "0511",
    "0421",
    "0911",
    "0761",
    "06221",
    "03591",
    "04131",
    "07071",
)
_MOBILE = ["0151", "0152", "0157", "0160", "0162", "0170", "0171", "0172", "0175", "0176", "0179"]
_US_AREAS = ["212", "312", "415", "617", "206", "303", "512", "702", "813", "919"]
_STREETS = (
    "Lindenstraße",
    "Hauptstr.",
    "Bahnhofstraße",
    "Goethestraße",
    "Schillerplatz",
    "Ringstraße",
    "Kirchgasse",
    "Mühlweg",
    "Gartenstr.",
    "Rosenallee",
    "Dorfstraße",
    "Burgberg",
    "Uferpromenade",
    "Sandkamp",
    "Birkenhain",
    "Tannenstieg",
    "Marktplatz",
    "Wallgraben",
)
_STREETS_OF_WORDS = (
    "Am Alten Markt",
    "An der Stadtmauer",
    "Im Wiesengrund",
    "Unter den Linden",
    "Zum Kuckuck",
    "Auf dem Hügel",
    "Straße des Friedens",
    "Platz der Einheit",
    "Alte Poststraße",
    "Robert-Koch-Straße",
    "Graf-von-Stauffenberg-Allee",
)
_TOWNS = (
    "Lindenau an der Wette",
    "Dresden",
    "Bad Homburg",
    "Görlitz",
    "Weiden i.d. OPf.",
    "Frankfurt (Oder)",
    "Neustadt",
    "Köln",
    "Hohenstein-Ernstthal",
    "Mühlhausen/Thüringen",
)
# Under names that RFC 2606 reserves, and that have a real ending: finders look at it.
_HOSTS = (
    "example.org",
    "example.com",
    "stadt-lindenau.example.org",
    "mail.example.net",
    "web.example.com",
)
_PLATES = (
    "B",
    "M",
    "HH",
    "K",
    "F",
    "S",
    "DD",
    "L",
    "C",
    "BZ",
    "GR",
    "ERZ",
    "MEI",
    "PIR",
    "LÖB",
    "TÜ",
    "GÖ",
    "WÜ",
    "HSK",
    "MTK",
)
_ID_LETTERS = "CFGHJKLMNPRTVWXYZ0123456789"
_WORDS = [
    "sonne",
    "regen",
    "tiger",
    "wolke",
    "anker",
    "falke",
    "kiesel",
    "hafen",
    "birne",
    "kupfer",
]


class Values:
    """Draws values; two of one seed draw the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._german, self._english = Faker("de_DE"), Faker("en_US")
        self._german.seed_instance(seed)
        self._english.seed_instance(seed)
        lines = _NAMES.read_text(encoding="utf-8").splitlines()
        self._others = [
            tuple(line.split(" | ", 1)) for line in lines if line and not line.startswith("#")
        ]

    def name(self, language: str) -> tuple[str, str]:
        """First name and surname; every third is of a language that Faker's lists have few of."""
        if self.random.random() < 1 / 3:
            first, last = self.random.choice(self._others)
            return first, last
        faker = self._german if language == "de" else self._english
        while not (last := faker.last_name()).split()[-1][0].isupper():
            pass  # "Dussen van" is nobody's
        return faker.first_name(), last

    def address(self, language: str) -> tuple[str, str]:
        """The street with its number, and the town with its code."""
        draw = self.random
        if language == "en":
            faker = self._english
            return (
                faker.street_address().replace("\n", " "),
                f"{faker.city()}, {faker.state_abbr()} {faker.zipcode()}",
            )
        name = draw.choice(_STREETS if draw.random() < 0.6 else _STREETS_OF_WORDS)
        if draw.random() < 0.2:
            name = f"{self._german.last_name()}{draw.choice(('straße', 'weg', 'gasse', 'platz'))}"
        number = f"{draw.randint(1, 180)}{draw.choice(('', '', '', 'a', ' b', '-' + str(draw.randint(181, 199))))}"
        town = draw.choice(_TOWNS) if draw.random() < 0.5 else self._german.city()
        return f"{name} {number}", f"{draw.randint(1067, 99998):05} {town}"

    def phone(self, language: str) -> str:
        draw = self.random
        if language == "en":
            area, line = draw.choice(_US_AREAS), f"{draw.randint(0, 9999):04}"
            exchange = f"{draw.randint(2, 9)}{draw.randint(2, 9)}{draw.randint(0, 9)}"
            shape = draw.choice(
                ("({a}) {e}-{l}", "+1 {a} {e} {l}", "{a}-{e}-{l}", "+1-{a}-{e}-{l}")
            )
            return shape.format(a=area, e=exchange, l=line)
        area = draw.choice(_MOBILE if draw.random() < 0.4 else _AREAS)
        rest = self.digits(8 if area.startswith("01") else draw.choice((6, 7, 8)), first="23456789")
        pairs = " ".join(rest[at : at + 2] for at in range(0, len(rest), 2))
        shape = draw.choice(
            (
                "{a}/{r}",
                "{a} {r}",
                "({a}) {p}",
                "+49 {n} {r}",
                "+49 (0){n} {p}",
                "0049 {n} {r}",
                "{a}-{r}",
                "+49{n}{r}",
            )
        )
        return shape.format(a=area, n=area[1:], r=rest, p=pairs)

    def email(self, first: str, last: str) -> str:
        draw = self.random
        plain = str.maketrans(
            {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", " ": ".", "'": "", "ğ": "g", "ı": "i"}
        )
        parts = [
            "".join(c for c in each.lower().translate(plain) if c.isascii()).strip(".") or "post"
            for each in (first, last)
        ]
        host = draw.choice(_HOSTS)
        shape = draw.choice(("{0}.{1}", "{0[0]}.{1}", "{1}", "{0}_{1}", "{0}{2}", "{0}.{1}+amt"))
        return f"{shape.format(*parts, draw.randint(1, 99))}@{host}"

    def iban(self) -> str:
        iban = self._german.iban()
        if self.random.random() < 0.6:
            return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
        return iban

    def credit_card(self) -> str:
        head = self.random.choice(("4", "51", "53", "55", "4", "2221"))
        body = head + self.digits(15 - len(head))
        number = body + luhn.calc_check_digit(body)
        between = self.random.choice(("", " ", "-"))
        return between.join(number[at : at + 4] for at in range(0, 16, 4))

    def tax_id(self) -> str:
        """One digit twice or three times among the first ten, as idnr asks for."""
        while True:
            digits = self.digits(10, first="123456789")
            number = digits + mod_11_10.calc_check_digit(digits)
            if idnr.is_valid(number):
                break
        if self.random.random() < 0.6:
            return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"
        return number

    def tax_number(self) -> str:
        return self.random.choice(("{}/{}/{}", "{} {} {}", "{}/{}/{}")).format(
            self.digits(3, first="12"), self.digits(3), self.digits(5)
        )

    def social_security(self, surname: str) -> str:
        born = self._day(1940, 2005)
        initial = surname[0].upper() if surname[0].upper() in string.ascii_uppercase else "O"
        area = self.random.choice(("02", "12", "15", "25", "44", "52", "65", "80"))
        head = f"{area}{born:%d%m%y}{initial}{self.random.randint(0, 99):02}"
        number = head + rvnr_check_digit(head)
        if self.random.random() < 0.6:
            return f"{number[:2]} {number[2:8]} {number[8]} {number[9:]}"
        return number

    def health_insurance(self) -> str:
        head = self.random.choice(string.ascii_uppercase) + self.digits(8)
        return head + kvnr_check_digit(head)

    def id_card(self) -> str:
        """Nine characters as on the front, or with the check digit of the back."""
        draw = self.random
        number = draw.choice("LMNPRTVWXY") + "".join(draw.choice(_ID_LETTERS) for _ in range(8))
        return number + (id_check_digit(number) if draw.random() < 0.3 else "")

    def plate(self) -> str:
        draw = self.random
        letters = "".join(draw.choice("ABCDEFHJKLMNPRSTUVWXYZ") for _ in range(draw.randint(1, 2)))
        between, kind = draw.choice(("-", " ", "-")), draw.choice(("", "", "", "", "E", "H"))
        return f"{draw.choice(_PLATES)}{between}{letters} {draw.randint(1, 9999)}{kind}"

    def birth_date(self, language: str) -> str:
        return self._written(self._day(1930, 2015), language)

    def meeting_date(self, language: str) -> str:
        return self._written(self._day(2024, 2027), language)

    def vat_id(self) -> str:
        if self.random.random() < 0.2:
            digits = self.digits(7)
            return f"ATU{digits}{uid.calc_check_digit('U' + digits)}"
        while not vat.is_valid(number := self.digits(9, first="123456789")):
            pass
        return f"DE{number}" if self.random.random() < 0.6 else f"DE {number}"

    def ip(self) -> str:
        draw = self.random
        if draw.random() < 0.25:
            groups = ":".join(f"{draw.randint(1, 0xFFFF):x}" for _ in range(4))
            return f"2003:e{draw.randint(0, 0xFFF):x}:{groups}::{draw.randint(1, 0xFFFF):x}"
        first, last = draw.choice((10, 192, 172, 84, 91, 213)), draw.randint(1, 254)
        return f"{first}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.{last}"

    def mac(self) -> str:
        return ":".join(f"{self.random.randint(0, 255):02x}" for _ in range(6))

    def us_ssn(self) -> str:
        area = self.random.choice([n for n in range(101, 800) if n != 666])
        return f"{area}-{self.random.randint(1, 99):02}-{self.random.randint(1, 9999):04}"

    def password(self) -> str:
        draw = self.random
        if draw.random() < 0.5:
            one, two = draw.choice(_WORDS), draw.choice(_WORDS)
            return f"{one.title()}{draw.choice('!?#$%')}{two}{draw.randint(10, 9999)}"
        return "".join(
            draw.choice(string.ascii_letters + string.digits + "!#%+_") for _ in range(14)
        )

    def token(self) -> str:
        """A key as those who issue such keys write it."""
        alnum = string.ascii_letters + string.digits
        makers: tuple[Callable[[], str], ...] = (
            lambda: "AKIA" + self._of(string.ascii_uppercase + "234567", 16),
            lambda: "ghp_" + self._of(alnum, 36),
            lambda: "glpat-" + self._of(alnum, 20),
            lambda: f"xoxb-{self.digits(12)}-{self.digits(13)}-{self._of(alnum, 24)}",
            lambda: "sk_live_" + self._of(alnum, 24),
            lambda: "sk-proj-" + self._of(alnum, 48),
            lambda: "AIza" + self._of(alnum + "-_", 35),
            self._jwt,
            lambda: "hf_" + self._of(string.ascii_letters, 34),
        )
        return self.random.choice(makers)()

    def private_key(self) -> str:
        body = base64.b64encode(self.random.randbytes(144)).decode()
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        kind = self.random.choice(("RSA ", "EC ", "", "OPENSSH "))
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"

    def harmless(self, kind: str, language: str) -> str:
        """What looks like personal data and is none, by the name that templates give it."""
        return self._harmless(language)[kind]()

    def _harmless(self, language: str) -> dict[str, Callable[[], str]]:
        draw, digits = self.random, self.digits
        number = "123456789"

        def version() -> str:
            return f"{draw.randint(0, 12)}.{draw.randint(0, 40)}.{draw.randint(0, 99)}"

        def amount() -> str:
            whole, cents = draw.randint(1, 98_000), draw.randint(0, 99)
            if language == "en":
                return f"${whole:,}.{cents:02}"
            return (
                f"{whole:,}".replace(",", ".") + f",{cents:02} {draw.choice(('€', 'Euro', 'EUR'))}"
            )

        def order() -> str:
            shape = draw.choice(("{0}-{1}", "{2}", "PO-{3}", "{3}/{4}", "B{2}", "{0}.{1}"))
            return shape.format(
                draw.randint(2023, 2026), digits(6), digits(9, number), digits(5), digits(2, number)
            )

        def article() -> str:
            shape = draw.choice(("A-{0}.{1}", "{0}-{1}-{2}", "SKU{3}", "{3}"))
            return shape.format(digits(4, number), digits(2), digits(3), digits(7, number))

        def long() -> str:
            while luhn.is_valid(found := digits(draw.choice((14, 16, 18)), number)):
                pass
            return found

        def case() -> str:
            shape = draw.choice(
                ("{0} K {1}/{2}", "II-{3}-{1}/{2}", "{0} Js {1}/{2} jug", "65.{0}-{1}")
            )
            return shape.format(
                draw.randint(1, 40), digits(4, number), draw.randint(23, 26), draw.randint(1, 9)
            )

        return {
            "order": order,
            "invoice": lambda: (
                f"{draw.choice(('RE', 'INV', 'R'))}-{draw.randint(2023, 2026)}-{digits(5)}"
            ),
            "article": article,
            "ean": lambda: draw.choice((self._german.ean13, self._german.ean8))(),
            "long": long,
            "amount": amount,
            "decimal": lambda: f"{draw.randint(1, 9000)}.{draw.randint(0, 99):02}",
            "version": version,
            "case": case,
            "isbn": lambda: self._german.isbn13() if draw.random() < 0.7 else self._german.isbn10(),
            "uuid": lambda: str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "hash": lambda: f"{draw.getrandbits(160):040x}"[: draw.choice((7, 12, 40))],
            "date": lambda: self.meeting_date(language),
            "isodate": lambda: self._day(2024, 2027).isoformat(),
            "time": lambda: f"{draw.randint(0, 23):02}:{draw.randint(0, 59):02}",
            "count": lambda: digits(draw.choice((1, 2, 3, 3, 4)), number),
            "digit": lambda: digits(1),
            "ticket": lambda: draw.choice(("#{0}", "INC{1}", "HD-{0}")).format(
                digits(5, number), digits(7)
            ),
            "company": (self._german if language == "de" else self._english).company,
            "street": lambda: draw.choice(_STREETS),
            "town": lambda: draw.choice(_TOWNS),
            "code": lambda: f"{draw.randint(1067, 99998):05}",
            "vin": lambda: "W" + self._of("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 16),
            "chip": lambda: f"276{digits(12)}",
        }

    def digits(self, count: int, first: str = string.digits) -> str:
        return self.random.choice(first) + self._of(string.digits, count - 1)

    def _of(self, alphabet: str, count: int) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def _jwt(self) -> str:
        def part(text: bytes) -> str:
            return base64.urlsafe_b64encode(text).decode().rstrip("=")

        claims = f'{{"sub":"{self.digits(6)}","iat":17{self.digits(8)}}}'.encode()
        parts = (b'{"alg":"HS256","typ":"JWT"}', claims, self.random.randbytes(32))
        return ".".join(map(part, parts))

    def _day(self, first: int, last: int) -> date:
        days = (date(last, 12, 31) - date(first, 1, 1)).days
        return date(first, 1, 1) + timedelta(self.random.randint(0, days))

    def _written(self, day: date, language: str) -> str:
        if language == "iso":
            return day.isoformat()
        if language == "en":
            month = _MONTHS_EN[day.month - 1]
            shapes = (
                f"{day:%m/%d/%Y}",
                f"{month} {day.day}, {day.year}",
                f"{day:%Y-%m-%d}",
                f"{day.day} {month} {day.year}",
            )
        else:
            month = _MONTHS_DE[day.month - 1]
            shapes = (
                f"{day:%d.%m.%Y}",
                f"{day.day}. {month} {day.year}",
                f"{day:%Y-%m-%d}",
                f"{day.day}.{day.month}.{day.year}",
            )
        return self.random.choice(shapes)


def rvnr_check_digit(head: str) -> str:
    """Of the first eleven characters of a German social insurance number."""
    number = f"{head[:8]}{ord(head[8]) - 64:02}{head[9:]}"
    factors = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    return str(sum(_cross_sum(int(d) * f) for d, f in zip(number, factors, strict=True)) % 10)


def kvnr_check_digit(head: str) -> str:
    """Of the letter and eight digits of a German health insurance number."""
    number = f"{ord(head[0]) - 64:02}{head[1:]}"
    return str(sum(_cross_sum(int(d) * (1 + at % 2)) for at, d in enumerate(number)) % 10)


def id_check_digit(number: str) -> str:
    """Of the nine characters of a German identity card."""
    values = [int(char, 36) for char in number]
    return str(sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10)


def _cross_sum(number: int) -> int:
    return sum(map(int, str(number)))
