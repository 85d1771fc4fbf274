"""Identifiers that look right and belong to nobody.

They carry valid check digits, so that detectors can be tried on them, and come from ranges that are
kept free: see the README beside `generate.py`.
"""

from random import Random

# The first digit of a German bank code is its clearing area, 1 to 8; none begins with 9.
BANK_CODE = "99990417"
POSTAL_CODE = "00417"
TRANSLITERATION = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def iban(random: Random) -> str:
    """German IBAN with valid check digits (ISO 13616, modulo 97) at a bank that does not exist."""
    account = f"{random.randrange(10**10):010d}"
    # DE becomes 1314 and the check digits start as 00.
    check = 98 - int(f"{BANK_CODE}{account}131400") % 97
    return f"DE{check:02d}{BANK_CODE}{account}"


def tax_id(random: Random) -> str:
    """German tax number for persons: one digit twice, one missing, check digit by ISO 7064.

    It begins with 0, which is kept for test numbers.
    """
    missing = random.randrange(1, 10)
    twice = random.choice([digit for digit in range(10) if digit != missing])
    rest = [digit for digit in range(1, 10) if digit != missing] + [twice]
    random.shuffle(rest)
    digits = [0, *rest]
    product = 10
    for digit in digits:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return "".join(map(str, digits)) + str((11 - product) % 10)


def private_phone(random: Random) -> str:
    """Number from the ranges that the Bundesnetzagentur keeps free for films and books."""
    kind = random.randrange(3)
    if kind == 0:
        return f"030 23125-{random.randrange(400, 1000)}"
    if kind == 1:
        return f"040 66969-{random.randrange(1000):03d}"
    return f"0171 39200 {random.randrange(100):02d}"


def mail_name(*parts: str) -> str:
    return ".".join(part.lower().translate(TRANSLITERATION).replace(" ", "") for part in parts)
