# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises values by the name of the field that they stand in: `Name: …`, a key of JSON, a column of a table."""

import re
from collections.abc import Iterator
from functools import cache

from backend_adapter.egress.detect.births import DATE
from backend_adapter.egress.detect.contacts import is_phone_value
from backend_adapter.egress.detect.credentials import is_password_value
from backend_adapter.egress.detect.hits import LABELLED, SHAPED, Hit
from backend_adapter.egress.detect.lexicon import gender_of_first, is_common, is_surname
from backend_adapter.egress.detect.reading import name_at

# What may be asked for in a field, and as what: letters only, as `_bare` leaves them.
_PEOPLE = """
ansprechpartner ansprechpartnerin ansprechperson kontakt kontaktperson sachbearbeiter sachbearbeiterin sachbearbeitung
bearbeiter bearbeiterin bearbeitetvon bearbeitung antragsteller antragstellerin kunde kundin kundenname patient patientin
patientenname mieter mieterin mietername vermieter vermieterin eigentümer eigentümerin halter halterin fahrer fahrerin
versicherter versicherte versicherungsnehmer versicherungsnehmerin arbeitnehmer arbeitnehmerin mitarbeiter mitarbeiterin
mitarbeitername schüler schülerin student studentin erziehungsberechtigter erziehungsberechtigte mutter vater
ehepartner ehegatte ehefrau ehemann zeuge zeugin zeugen beschuldigter beschuldigte kläger klägerin beklagter beklagte
geschädigter geschädigte anrufer anruferin absender absenderin empfänger empfängerin verfasser verfasserin autor autorin
unterzeichner kontoinhaber kontoinhaberin karteninhaber inhaber inhaberin geschäftsführer geschäftsführerin arzt ärztin
hausarzt hausärztin berater beraterin betreuer betreuerin besitzer besitzerin gast melder meldender gemeldetvon
erstelltvon angelegtvon zugewiesen zugewiesenan zuständig verantwortlich verantwortlicher verantwortliche protokoll
protokollführer protokollführerin protokollführung moderation leitung sitzungsleitung vorsitz vorsitzender vorsitzende
schriftführer schriftführerin schriftführung unterschrift gez geschäftsleitung teilnehmer teilnehmerin teilnehmerinnen
teilnehmende teilnehmerteilnehmerinnen anwesend anwesende entschuldigt gäste bewerber bewerberin nutzer nutzerin
beteiligte beteiligter zustellung zuhänden zhd zhdn von an kopie kopiean customer customername client clientname
patientname employee employeename contact contactperson contactname applicant applicantname tenant tenantname landlord
owner ownername holder accountholder cardholder cardholdername beneficiary recipient recipientname sender sendername author
reporter reportername assignee requester requestername caller callername manager attendees attendee participants participant
present absent apologies from to cc bcc by signed signedby createdby assignedto reportedby preparedby updatedby
approvedby doctor physician nurse student studentname teacher witness witnesses supervisor driver drivername insured
policyholder nextofkin emergencycontact guardian spouse father mother user username benutzer displayname realname
angestellter angestellte beschäftigter beschäftigte zahler zahlerin einzahler einzahlerin zahlungspflichtiger
zahlungspflichtige zahlungsempfänger zahlungsempfängerin auftraggeber auftraggeberin begünstigter begünstigte schuldner
schuldnerin gläubiger gläubigerin käufer käuferin verkäufer verkäuferin bauherr bauherrin architekt architektin bürger
bürgerin einwohner einwohnerin steuerpflichtiger steuerpflichtige klient klientin mandant mandantin anwalt anwältin
rechtsanwalt rechtsanwältin notar notarin richter richterin lehrkraft lehrer lehrerin kind kinder eltern elternteil
vormund pfleger pflegerin angehöriger angehörige notfallkontakt vertreter vertreterin vertretung stellvertreter
stellvertreterin bevollmächtigter bevollmächtigte leiter leiterin teamleiter teamleiterin projektleiter projektleiterin
projektleitung abteilungsleiter abteilungsleiterin vorgesetzter vorgesetzte prüfer prüferin gutachter gutachterin
spender spenderin pächter pächterin nachbar nachbarin erbe erbin erblasser erblasserin verstorbener verstorbene
referent referentin redner rednerin dozent dozentin trainer trainerin unterzeichnerin melderin auftragnehmer
payer payee debtor creditor buyer seller purchaser citizen resident taxpayer owners speaker speakers host
lead projectlead projectmanager teamlead agent analyst engineer developer operator lawyer attorney solicitor counsel
judge notary executor heir deceased child children parent parents relative partner donor lender borrower lessee lessor
lodger neighbour neighbor claimant plaintiff defendant complainant suspect victim editor editors reviewer reviewers
approver submitter submittedby takenby minutes minutestaker notetaker secretary chair chairman chairwoman chairperson
invited guests guest visitor passenger traveller traveler cleaner carer caregiver physiotherapist dentist therapist
""".split()  # noqa: SIM905
_ONE_PART = """
nachname familienname zuname vorname vornamen rufname geburtsname mädchenname lastname surname familyname firstname
givenname forename middlename maidenname birthname given family fname lname vname nname
""".split()  # noqa: SIM905
_NAMES = """
name namen fullname vollname vollständigername vorundnachname vornachname vornamename namevorname nachnamevorname
vornamenachname personname contactfullname bewohner person legalname completename nameofapplicant nameofpatient fn commonname
""".split()  # noqa: SIM905
_BIRTHS = """
geburtsdatum gebdatum gebdat gebam geb geboren geborenam geburtstag geburtsdatumort birthdate dateofbirth dob birthday
birth birthdt born bornon birthdateiso
""".split()  # noqa: SIM905
_PHONES = """
telefon telefonnummer telefonnr tel telnr telnummer fon mobil mobilnummer mobiltelefon handy handynummer handynr fax faxnummer
telefax rufnummer durchwahl festnetz phone phonenumber mobile mobilephone mobilenumber cell cellphone cellnumber telephone
homephone workphone contactnumber telefonmobil telefonprivat telefondienstlich
""".split()  # noqa: SIM905
_ADDRESSES = """
adresse anschrift wohnanschrift postanschrift wohnadresse lieferadresse rechnungsadresse straße strasse straßehausnummer
straßehausnr straßenr straßeundhausnummer wohnort wohnhaft wohnsitz meldeadresse address streetaddress street homeaddress
mailingaddress billingaddress shippingaddress postaladdress residence address1 addressline1 strassehausnummer
""".split()  # noqa: SIM905
_CODES = {
    "DE_TAX_ID": "steuerid steueridnr steuerident steueridentifikationsnummer idnr taxid steuerlicheidentifikationsnummer",
    "DE_TAX_NUMBER": "steuernummer steuernr stnr taxnumber",
    "DE_SOCIAL_SECURITY": "sozialversicherungsnummer svnummer svnr rvnr rentenversicherungsnummer versicherungsnummer sozialversnr",
    "DE_HEALTH_INSURANCE": "krankenversichertennummer kvnr versichertennummer krankenversicherungsnummer versichertennr",
    "DE_ID_CARD": "personalausweis personalausweisnummer ausweisnummer ausweisnr personalausweisnr idcard idcardnumber idcardno "
    "identitycard identitycardnumber identitycardno identitynumber dokumentennummer",
    "DE_PASSPORT": "reisepass reisepassnummer passnummer passnr passport passportnumber passportno",
    "DE_KFZ": "kennzeichen kfzkennzeichen autokennzeichen licenseplate licenceplate numberplate plate amtlicheskennzeichen",
    "DE_FUEHRERSCHEIN": "führerscheinnummer führerschein führerscheinnr driverslicense driverslicence",
    "IBAN": "iban kontoverbindung bankverbindung",
    "CREDIT_CARD": "kreditkarte kreditkartennummer creditcard creditcardnumber cardnumber ccnumber kartennummer",
    "US_SSN": "ssn socialsecuritynumber socialsecurity",
    "IP_ADDRESS": "ip ipaddress ipadresse clientip remoteaddr",
}
_SECRETS = """
passwort password passwd kennwort pwd passphrase pin userpassword benutzerpasswort initialpasswort
""".split()  # noqa: SIM905

_SORTS: dict[str, list[str]] = {
    "people": _PEOPLE,
    "part": _ONE_PART,
    "name": _NAMES,
    "BIRTH_DATE": _BIRTHS,
    "PHONE": _PHONES,
    "ADDRESS": _ADDRESSES,
    "PASSWORD": _SECRETS,
    **{category: labels.split() for category, labels in _CODES.items()},
}
_FIELDS = {label.casefold(): sort for sort, labels in _SORTS.items() for label in labels}
# Whoever did something with it: Geprüft durch, freigegeben_von, last_edited_by, account_owner_name.
_DONE_BY = re.compile(
    r"[a-zäöüß]{2,30}(?:(?:ed|en|wn|ght)by|(?:t|en)(?:von|durch)|(?:inhaber|nehmer|pflichtige|berechtigte|beauftragte|empfänger|vertreter)(?:in|r)?"
    r"|(?:owner|holder|contact|payer|citizen|customer|tenant|patient|client|employee|kunden|zahler|mieter|inhaber|halter|bürger|einwohner)name)"
)
# Name des Kindes, name of the applicant; things have names too.
_NAME_OF = re.compile(
    r"name(?:des|der|vom|of|ofthe)(?!\w*(?:firma|company|unternehm|verein|schul|school|produ|file|datei|server|proje|ort|stra|stre|stadt|city|"
    r"bank|behörde|amt|gerät|device|host|table|tabelle|feld|field|gericht|court|spiel|game|tier|hund|pet|dog|cat))[a-zäöüß]{3,25}"
)
# Only with a value of their own kind is a field of this name one of people.
_NOT_IN_PROSE = frozenset(
    {"von", "an", "by", "to", "from", "present", "user", "username", "benutzer", "nutzer"}
)

_DATE = re.compile(DATE, re.IGNORECASE)
_ADDRESS = re.compile(r"(?:(?!_)[\w .,'’/()#&\n\r–-])+")
_CODE = re.compile(r"[A-ZÄÖÜ0-9](?:[A-ZÄÖÜ0-9]|[ ./-](?=[A-ZÄÖÜ0-9])){3,34}")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
# Between a label and its value, of which one is this.
_JOIN = re.compile(
    r"(?<=[\w.)\]\"'*`])[\"'*`_]{0,3}[ \t]{0,3}(?:=>|[:=])(?![:=/\\])[ \t]{0,16}(?:\r?\n[ \t]{0,8}(?=[-*•]? ?[A-ZÄÖÜ0-9\"]))?[\"'*`]{0,3}[ \t]?(?=[^\s,;_])"
)
_LABEL_REACH, _VALUE_REACH = 48, 160
_LAST_WORD = re.compile(r"[\w.()]+[^\w\n]{0,3}$")
_LABEL_CUT = re.compile(r"[\n\r,;|{}\[\]<>\"'*`•?!]|\. ")
_BETWEEN_NAMES = re.compile(
    r"[ \t]{0,3}(?:\([^)\n]{0,48}\))?[ \t]{0,3}(?:[,;/&+|]|und\b|and\b|sowie\b|\r?\n(?=[ \t]{0,4}[-*•–]))[ \t]{0,3}(?:und |and )?(?:[-*•–][ \t]{0,2})?",
    re.IGNORECASE,
)
# What is no name, but a word that says what follows it: Tel.: 0351.
_IS_LABEL = re.compile(r"(?:\.?:|\.(?= ?[\d+(])|[ \t]+[+(]?\d)")
# A whole cell such as Lindau, Eckehard: also where the surname is a word or a town besides.
_SURNAME_FIRST = re.compile(
    r"(?:[A-ZÄÖÜ][\w-]+ )?(?:(?:von|van|zu|vom|zum|zur|de|der|den|la|di|del) ){0,3}[A-ZÀ-ÖØ-ÞĀ-Ž](?:[^\W\d_]|['’-](?=\w))+, ?"
    r"[A-ZÀ-ÖØ-ÞĀ-Ž](?:[^\W\d_]|['’-](?=\w))+(?: [A-ZÀ-ÖØ-ÞĀ-Ž](?:[^\W\d_]+|\.))?"
)
_ANY_SURNAME = re.compile(
    r" [A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]+(?=[ \t]*(?:[,;()|<\"\r\n]|$)|\.\s| (?:aus|from|in|und|and|hat|has|is|ist)\b)"
)
# In a log: user=Xaver Tuppe ip=…, user=xaver.tuppe.
_IN_LOG = re.compile(
    r"(?P<name>[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]+ [A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]+|[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]+(?= [\w.-]+=)|(?P<first>[^\W\d_]+)[._][^\W\d_]+)(?=[ \t]+[\w.-]+=|[ \t]*(?:\r?\n|$))"
)
# A form that asks for the first name below the name means the surname by it.
_SURNAME_ABOVE = re.compile(
    r"[\"'`]?[ \t]*[,;|]?[ \t]*\r?\n?[ \t]*[\"'*_]{0,3}(?:vornamen?|rufname|first[ _-]?names?|given[ _-]?names?|forenames?)(?!\w)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"[ \t]{0,4}[-*•–][ \t]{0,3}")
_MOST_PEOPLE = 100
_TABLE_MARKS = ("|", "\t", ";", ",")
_RULER = re.compile(r"[\s|+:=-]+")
_LONGEST_HEADINGS = 2000


def field(label: str) -> str | None:
    """What is asked for under this label: a category, or what of a person's name; None for anything else."""
    bare = _bare(label)
    return _sort_of(bare) if len(bare) <= 40 else None


def _sort_of(bare: str) -> str | None:
    if (sort := _FIELDS.get(bare)) is not None:
        return sort
    return "people" if _DONE_BY.fullmatch(bare) or _NAME_OF.fullmatch(bare) else None


def value_hits(sort: str, text: str, start: int, end: int, *, whole: bool) -> Iterator[Hit]:
    """What stands at [start, end) of a text as the value of such a field; `whole` if nothing else stands there."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return
    if sort in ("people", "part", "name"):
        yield from _people(sort, text, start, end, whole=whole)
    elif sort == "BIRTH_DATE":
        # May 26, 2018 has a comma that is none between two cells.
        if match := _DATE.match(text, start):
            yield Hit(match.start(), match.end(), sort, LABELLED)
    elif sort == "PHONE":
        if length := is_phone_value(text[start:end]):
            yield Hit(start, start + length, sort, LABELLED)
    elif sort == "ADDRESS":
        value = text[start:end]
        if (
            (
                whole
                and any(each.isdigit() for each in value)
                and any(each.isalpha() for each in value)
            )
            and len(value) <= 120
            and _ADDRESS.fullmatch(value)
        ):
            yield Hit(start, end, sort, SHAPED)
    elif sort == "PASSWORD":
        if whole and is_password_value(text[start:end]):
            yield Hit(start, end, sort, LABELLED)
    else:
        match = _CODE.match(text, start, end)
        # A number plate has one digit at least, any other identifier more.
        least = 1 if sort == "DE_KFZ" else 3
        if (
            match
            and sum(each.isdigit() for each in match[0]) >= least
            and (not whole or match.end() == end)
        ):
            yield Hit(match.start(), match.end(), sort, LABELLED)


def fields(text: str) -> Iterator[Hit]:
    """The values of all fields in a text that one can tell the meaning of."""
    if ":" in text or "=" in text:
        yield from _joined(text)
    yield from _tables(text)


def _joined(text: str) -> Iterator[Hit]:
    ends = _label_ends()
    for match in _JOIN.finditer(text):
        last = _LAST_WORD.search(text, max(match.start() - 24, 0), match.start())
        if last is None or (
            (final := _bare(last[0])) not in ends
            and not final.endswith(("von", "durch", "name", "r", "rin", "te", "by"))
        ):
            continue
        begin = max(match.start() - _LABEL_REACH, 0)
        before = text[begin : match.start()]
        cut = max((one.end() for one in _LABEL_CUT.finditer(before)), default=0)
        label = before[cut:]
        sort = None
        words = label.split()
        for count in range(min(len(words), 4), 0, -1):
            bare = _bare(" ".join(words[-count:]))
            if (sort := _sort_of(bare)) is not None:
                break
        if sort is None:
            continue
        if bare in _NOT_IN_PROSE and count != len(words) and match[0] != "=":
            continue
        start = match.end()
        quote = text[start - 1 : start] if text[start - 1 : start] in ('"', "'", "`") else ""
        line = text[start : start + _VALUE_REACH].split("\n", 1)[0]
        end = start + len(line.rstrip("\r"))
        if quote:
            closing = text.find(quote, start, start + _VALUE_REACH)
            if closing < 0:
                continue
            end = closing
        alone = bool(quote) or not label[: label.find(words[-count])].strip() if words else False
        if not quote and "=" in match[0] and sort in ("people", "part", "name", "ADDRESS"):
            # In a program that is a variable's name, and no value.
            if sort == "people" and match[0] == "=" and (logged := _IN_LOG.match(text, start)):
                first = logged["first"]
                if (
                    not is_common(logged["name"].split(" ")[0])
                    if first is None
                    else gender_of_first(first.capitalize())
                ):
                    yield Hit(start, logged.end("name"), "PERSON", LABELLED)
            continue
        if sort == "people" and not quote and not _is_told(text, start, label):
            continue
        if sort == "PASSWORD" and not quote:
            # Those without quotes are told by the words beside them.
            continue
        if sort == "name" and _SURNAME_ABOVE.match(text, end):
            sort = "part"
        yield from value_hits(sort, text, start, end, whole=alone)


def _is_told(text: str, start: int, label: str) -> bool:
    """Whether a word that is no known name may be one there: after a heading, with nothing of a program behind it."""
    if bullet := _BULLET.match(text, start):
        start = bullet.end()
    name = name_at(text, start, min(start + _VALUE_REACH, len(text)))
    if name is None or name.last != name.start:
        return True
    word = text[name.start : name.end]
    if gender_of_first(word) or is_surname(word):
        return True
    heading = label.strip()
    follows = re.match(r"[ \t]*(?:[\n,;(|]|\r|und\b|and\b|$)", text[name.end : name.end + 8])
    return (
        heading[:1].isupper()
        and not heading.isupper()
        and follows is not None
        and text[name.end : name.end + 1] != "("
    )


@cache
def _label_ends() -> frozenset[str]:
    """With what a label may end: most words before a colon are the end of none."""
    return frozenset(label[begin:] for label in _FIELDS for begin in range(len(label)))


def _people(sort: str, text: str, start: int, end: int, *, whole: bool) -> Iterator[Hit]:
    if bullet := _BULLET.match(text, start, end):
        start = bullet.end()
    # In quotes or a cell there is nothing after it; otherwise a list may go on in the next lines.
    limit = end if whole and text[end : end + 1] != "\n" else len(text)
    for number in range(_MOST_PEOPLE):
        name = name_at(text, start, limit if sort == "people" else end)
        if name is None:
            value = text[start:end]
            if (
                number == 0
                and whole
                and (
                    (sort == "part" and value.isalpha())
                    or _is_small_name(value)
                    or _SURNAME_FIRST.fullmatch(value)
                    or _is_full(value)
                )
            ):
                yield Hit(start, end, "PERSON", LABELLED)
            return
        if number == 0 and whole and _is_turned(text[start:end], name.end - start):
            yield Hit(start, end, "PERSON", LABELLED)
            return
        single = name.last == name.start
        word = text[name.start : name.end]
        if single and sort == "name" and not (gender_of_first(word) or is_surname(word)):
            return
        if single and number and (is_common(word) or _IS_LABEL.match(text, name.end)):
            return
        stop = name.end
        if (more := _ANY_SURNAME.match(text, stop)) and (
            (single and gender_of_first(word)) or not is_common(more[0].strip())
        ):
            # Grace Field: between two commas a word is a surname as well.
            stop = more.end()
        yield Hit(name.start, stop, "PERSON", LABELLED)
        if sort != "people":
            return
        following = _BETWEEN_NAMES.match(text, stop)
        if following is None or (following.end() > end and "\n" not in following[0] and whole):
            return
        start = following.end()


def _is_turned(value: str, end: int) -> bool:
    """Whether it goes on at `end` with a first name that nobody listed: Freifrau von Hohenfels, Xaveriane."""
    given = value.partition(",")[2].strip()
    return (
        end <= value.find(",")
        and _SURNAME_FIRST.fullmatch(value) is not None
        and not (is_surname(given) or is_common(given))
    )


def _is_full(value: str) -> bool:
    """Whether it is a listed first name with a surname that is a word besides."""
    words = value.split(" ")
    return (
        2 <= len(words) <= 3
        and gender_of_first(words[0]) is not None
        and all(word[:1].isupper() and word.replace("-", "").isalpha() for word in words)
    )


def _is_small_name(value: str) -> bool:
    """Whether it is a name that nobody wrote the capital letters of."""
    words = value.split()
    return (
        2 <= len(words) <= 4
        and value.islower()
        and gender_of_first(words[0].capitalize()) is not None
        and all(word.replace("-", "").isalpha() for word in words)
    )


def _tables(text: str) -> Iterator[Hit]:
    lines = list(_lines(text)) if "\n" in text else []
    number = 0
    while number < len(lines) - 1:
        start, end = lines[number]
        headings = _headings(text[start:end]) if end - start <= _LONGEST_HEADINGS else None
        number += 1
        if headings is None:
            continue
        mark, sorts = headings
        while number < len(lines):
            begin, stop = lines[number]
            line = text[begin:stop]
            if _RULER.fullmatch(line) and line.strip():
                number += 1
                continue
            cells = _cells(line, mark)
            # A comma too many is one of an amount that nobody put in quotes.
            if len(cells) < len(sorts) or (len(cells) > len(sorts) and mark != ","):
                break
            for sort, (left, right) in zip(sorts, cells, strict=False):
                if sort is not None:
                    yield from value_hits(sort, text, begin + left, begin + right, whole=True)
            number += 1


def _headings(line: str) -> tuple[str, list[str | None]] | None:
    """The mark between the cells of a line of headings, and what is asked for under each; None for another line."""
    for mark in _TABLE_MARKS:
        if mark not in line:
            continue
        cells = _cells(line, mark)
        labels = [line[left:right] for left, right in cells]
        if len(cells) < 2 or any(len(label) > 40 for label in labels):
            continue
        sorts = [field(label) for label in labels]
        if "part" in sorts:
            sorts = ["part" if sort == "name" else sort for sort in sorts]
        told = sum(sort is not None for sort in sorts)
        # A sentence has commas too, and a row of a table may begin with a word that is a heading elsewhere.
        if told >= 2 or (
            told == 1 and len(cells) <= 12 and (mark != "," or not re.search(r"[\s.:]", line))
        ):
            return mark, sorts
    return None


def _cells(line: str, mark: str) -> list[tuple[int, int]]:
    """Begin and end of each cell, without the quotes around it."""
    cells, begin, quoted = list[tuple[int, int]](), 0, False
    if '"' not in line:
        position = 0
        for part in line.split(mark):
            cells.append((position, position + len(part)))
            position += len(part) + 1
    else:
        for position, char in enumerate(line):
            if char == '"':
                quoted = not quoted
            elif char == mark and not quoted:
                cells.append((begin, position))
                begin = position + 1
        cells.append((begin, len(line)))
        cells = [_unquoted(line, *cell) for cell in cells]
    if mark == "|" and cells and not line[slice(*cells[0])].strip():
        cells = cells[1:]
    if mark == "|" and cells and not line[slice(*cells[-1])].strip():
        cells = cells[:-1]
    return cells


def _unquoted(line: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and line[begin] in ' "':
        begin += 1
    while end > begin and line[end - 1] in ' "':
        end -= 1
    return begin, end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while (end := text.find("\n", begin)) >= 0:
        yield begin, end - (text[end - 1 : end] == "\r")
        begin = end + 1
    yield begin, len(text)


def _bare(label: str) -> str:
    return _NOT_LETTERS.sub("", label).casefold()
