"""How dates are written in German and English: in figures, and with the name of the month."""

_MONTH = (
    r"(?:Jan(?:uar|uary|\.)?|Jänner|Feb(?:ruar|ruary|\.)?|Mär(?:z|\.)?|Maerz|Mrz\.?|Mar(?:ch|\.)?|Apr(?:il|\.)?|Mai|May|"
    r"Jun[ie]?\.?|Jul[iy]?\.?|Aug(?:ust|\.)?|Sep(?:tember|t\.?|\.)?|O[kc]t(?:ober|\.)?|Nov(?:ember|\.)?|De[zc](?:ember|\.)?)"
)
_YEAR = r"(?:1[89]\d\d|20[0-3]\d)"
_DAY, _NUMBER = "(?:0?[1-9]|[12]\\d|3[01])", "(?:0?[1-9]|1[0-2])"
DATE = (
    rf"(?:{_DAY}\. ?{_NUMBER}\. ?(?:{_YEAR}|\d\d)(?!\d)|{_YEAR}[-/.]{_NUMBER}[-/.]{_DAY}(?!\d)"
    rf"|\d{{1,2}}[/-]\d{{1,2}}[/-](?:{_YEAR}|\d\d)(?!\d)"
    rf"|{_DAY}(?:\.|st|nd|rd|th)?(?: of)?[ -]{_MONTH},?[ -](?:{_YEAR}|\d\d)(?!\d)"
    rf"|{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}(?!\d))"
)
