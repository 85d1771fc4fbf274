# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises what opens something: keys and tokens by their makers' formats, and passwords by the words beside them.

Sources, beside each: what its maker documents of the format. Those with a mark of their own need no word beside them.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import SECRET, Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import whole

_BEGIN, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class Marked:
    """A secret that begins with one of its marks; the pattern begins where a mark does."""

    category: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    weight: int = SECRET
    anywhere: bool = True


def _marked(category: str, marks: str, pattern: str) -> Marked:
    return Marked(
        category, tuple(marks.split()), re.compile(f"{_BEGIN}(?:{pattern}){_END}"), anywhere=False
    )


MARKED = (
    # AWS IAM user guide, "Unique identifiers".
    _marked("SECRET_AWS_KEY", "AKIA ASIA ABIA ACCA", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    # GitHub docs, "About authentication to GitHub", token prefixes.
    _marked(
        "SECRET_GITHUB_TOKEN", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    ),
    # GitLab docs, "Token overview", token prefixes.
    _marked(
        "SECRET_GITLAB_TOKEN", "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas-",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[\w.-]{20,300}",
    ),
    # Slack API docs, "Token types", and incoming webhooks.
    _marked("SECRET_SLACK_TOKEN", "xox xapp-", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"),
    Marked("SECRET_SLACK_TOKEN", ("hooks.slack.com/",),
           re.compile(r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,120}")),
    # Google Cloud docs, API keys; OAuth 2.0 client secrets and access tokens.
    _marked("SECRET_GOOGLE_KEY", "AIza GOCSPX- ya29.", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w.-]{20,2048}"),
    # Anthropic before OpenAI: both begin with sk-.
    _marked("SECRET_ANTHROPIC_KEY", "sk-ant-", r"sk-ant-(?:[a-z]+\d{2}-)?[\w-]{20,250}"),
    _marked("SECRET_OPENAI_KEY", "sk-", r"sk-(?!ant-)(?:(?:proj|svcacct|admin|None)-[\w-]{20,250}|[A-Za-z0-9]{32,64})"),
    # Hugging Face docs, "User access tokens".
    _marked("SECRET_HUGGING_FACE_TOKEN", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z0-9]{30,60}"),
    # Stripe docs, "API keys", and signing secrets of webhooks.
    _marked("SECRET_STRIPE_KEY", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_",
            r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/]{16,250}"),
    # Twilio docs, "REST API: API keys"; SendGrid and Mailgun docs.
    _marked("SECRET_TWILIO_KEY", "SK AC", r"(?:SK|AC)[0-9a-f]{32}"),
    _marked("SECRET_SENDGRID_KEY", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    _marked("SECRET_MAILGUN_KEY", "key-", r"key-[0-9a-f]{32}"),
    # npm docs; PyPI help (tokens are macaroons in Base64); Docker docs.
    _marked("SECRET_NPM_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _marked("SECRET_PYPI_TOKEN", "pypi-", r"pypi-AgE[\w-]{50,1000}"),
    _marked("SECRET_DOCKER_TOKEN", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[\w-]{20,64}"),
    # DigitalOcean and Shopify changelogs, token prefixes.
    _marked("SECRET_DIGITALOCEAN_TOKEN", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _marked("SECRET_SHOPIFY_TOKEN", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    # Telegram Bot API, "Authorizing your bot"; Discord's developer docs.
    _marked("SECRET_TELEGRAM_TOKEN", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _marked("SECRET_DISCORD_TOKEN", ".", r"[MNO][A-Za-z\d]{23,27}\.[\w-]{6}\.[\w-]{27,38}"),
    # RFC 7519: header and claims are JSON objects, so both begin with {" in Base64.
    _marked("SECRET_JWT", "eyJ", r"eyJ[\w-]{8,4096}\.eyJ[\w-]{4,16384}(?:\.[\w-]{0,4096})?={0,2}"),
    # Azure Storage connection strings.
    Marked("SECRET_AZURE_KEY", ("AccountKey=", "SharedAccessKey="),
           re.compile(r"(?<=AccountKey=)[A-Za-z0-9+/]{40,100}={0,2}|(?<=AccessKey=)[A-Za-z0-9+/]{40,100}={0,2}")),
    # RFC 7468; OpenSSH and PGP write theirs alike. One that was cut off is one too.
    Marked("PRIVATE_KEY", ("PRIVATE KEY",),
           re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
                      r"(?:(?!-----BEGIN)[\s\S]){0,32768}?"
                      r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|(?=-----BEGIN)|\Z)"), SECRET + 5),
    # RFC 3986, section 3.2.1.
    Marked("CONNECTION_STRING", ("://",),
           re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/\"'<>]{0,128}:[^\s@/\"'<>]{1,256}@[^\s\"'<>]{1,512}(?<![.,;)\]}])"),
           SECRET + 2),
)  # fmt: skip

_PASSWORD = Words(
    "passwort", "password", "passwd", "kennwort", "passphrase", "losungswort", "pwd", "passcode", "zugangscode",
    " pass ", " pw ", " pin ",
)  # fmt: skip
_TOKEN = Words("secret", "token", "api_key", "apikey", "api-key", "api key", "access key", "access_key", "accesskey",
               "private_key", "schlüssel", "zugangsschlüssel", "credential", "auth_key", "encryption_key", "client_secret",
               "signing_key", "license key", "lizenzschlüssel")  # fmt: skip
_BEARER = Words("bearer", "authorization")

# The word that names it, what joins the two, and the value: quoted, or without a blank.
_NAMED_PASSWORD = re.compile(
    r"(?P<name>\w*(?:passwor[td]|passwd|kennwort|passphrase|losungswort|passcode|zugangscode|pwd)\w{0,20}"
    r"|(?<!\w)(?:pass|pw|pin)(?!\w))(?P<rest>[ \w./-]{0,40}?)"
    r"(?P<join>[\"'`*_]{0,3}\s{0,3}(?:=>|:=|->|→|==?|:)[ \t]{0,4}\n?[ \t]{0,4}|\s(?:lautet|ist|is|war|was|to|auf)(?:\s(?:jetzt|nun|now|wie folgt))?[: ]{1,3}|[ \t]{1,3}(?=[\"'`„“]))"
    r"(?:(?P<quoted>[\"'`])(?P<whole>[^\"'`\n]{3,128})(?P=quoted)|(?P<quote>[\"'`„“‚*]{0,2})(?P<value>[^\s\"'`„“”‘’|]{3,128}))",
    re.IGNORECASE,
)
_NAMED_TOKEN = re.compile(
    r"(?:secret|token|api[_ -]?key|access[_ -]?key|private_key|schlüssel|credential|auth_key|encryption_key|signing_key"
    r"|license key)\w{0,20}[\"'`*]{0,3}(?:\s{0,3}(?:=>|:=|->|==?|:)\s{0,4}|\s(?:lautet|ist|is)[: ]{1,3}| {1,2})"
    r"[\"'`„“*]{0,2}(?P<value>[A-Za-z0-9_+/=.~-]{16,512})",
    re.IGNORECASE,
)
_NAMED_BEARER = re.compile(
    r"(?:bearer|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|token|apikey))\s{1,3}(?P<value>[A-Za-z0-9_+/=.~-]{12,4096})",
    re.IGNORECASE,
)
# What stands where a password would, and is none.
_PLACEHOLDER = re.compile(
    r"[<\[{(%$].*|[*•x.…_-]+|(?:null|none|nil|undefined|true|false|required|optional|string|str|text|varchar\S*|hidden|"
    r"redacted|masked|changeme\W*|secret|password|passwort|geheim|vergessen|forgotten|reset|zurücksetzen|ändern|geändert|"
    r"abgelaufen|expired|ungültig|invalid|falsch|wrong|unbekannt|unknown|siehe|see|bitte|please|wird|muss|must|nicht|not|"
    r"geheimnis-\w+|os\.\S*|env\S*|self\.\S*|getenv\S*|process\.\S*|settings\.\S*|config\.\S*|input\S*|field\S*)[.,;:!?)]*",
    re.IGNORECASE,
)
_CALL = re.compile(r"\w+(?:\.\w+)*\(.*")
_MIXED = re.compile(r"\d|[^\w.,;:!?)-]|[a-zäöü][A-ZÄÖÜ]")
_TRAILING = ".,;:!?)]}*"


WORDS = (_PASSWORD, _TOKEN, _BEARER)


def credentials(scan: Scan) -> Iterator[Hit]:
    """All that a text holds."""
    for each in MARKED:
        # A token is longer than words are: only those few places are searched for one.
        view = whole(scan.text) if each.anywhere else scan.tokens
        if view is None or not any(mark in view.text for mark in each.marks):
            continue
        for match in each.pattern.finditer(view.text):
            begin = view.at(match.start())
            if each.category != "CONNECTION_STRING" or not _PLACEHOLDER.fullmatch(
                _password_of(match[0])
            ):
                yield Hit(begin, begin + len(match[0]), each.category, each.weight)
    yield from _named(scan, _PASSWORD, _NAMED_PASSWORD, "PASSWORD", _is_password)
    yield from _named(scan, _TOKEN, _NAMED_TOKEN, "SECRET_TOKEN", _is_token)
    yield from _named(scan, _BEARER, _NAMED_BEARER, "BEARER_TOKEN", _is_bearer)


def is_password_value(value: str) -> bool:
    """Whether what stands in a field for passwords is one."""
    return len(value) >= 3 and not _PLACEHOLDER.fullmatch(value)


def _named(
    scan: Scan,
    words: Words,
    pattern: re.Pattern[str],
    category: str,
    is_one: Callable[[re.Match[str], str], bool],
) -> Iterator[Hit]:
    view = scan.near(words)
    for match in pattern.finditer(view.text) if view else ():
        if view and (quoted := match.groupdict().get("whole")) is not None:
            joined = category != "PASSWORD" or match["join"].strip(" \t\n\"'`*_")
            if joined and not _PLACEHOLDER.fullmatch(quoted):
                begin = view.at(match.start("whole"))
                yield Hit(begin, begin + len(quoted), category, SECRET - 5)
            continue
        value = match["value"]
        bare = value.rstrip(_TRAILING) if len(value.rstrip(_TRAILING)) >= 3 else value
        # A mark at the end of a password is as likely its own as the sentence's.
        kept = value if value[-1:] in "!?*" else bare
        if view and is_one(match, kept):
            begin = view.at(match.start("value"))
            yield Hit(begin, begin + len(kept), category, SECRET - 5)


def _is_password(match: re.Match[str], value: str) -> bool:
    if _PLACEHOLDER.fullmatch(value) or _CALL.fullmatch(value):
        return False
    join = match["join"].strip(" \t\n\"'`*_")
    named_directly = not match["rest"].strip()
    short = match["name"].casefold() in ("pass", "pw", "pin")
    if not join and (short or not named_directly or not re.search(r"\d|[^\w`]", value)):
        # Quotes alone join a word to many things.
        return False
    if short and not named_directly:
        return False
    if match["name"].casefold() == "pin" and not value[:1].isdigit():
        return False
    if match["quote"] or _MIXED.search(value):
        # A sentence goes on after a colon: only what stands for itself is a value then.
        return named_directly or match["quote"] != "" or len(value) >= 6
    if join.casefold().startswith("lautet"):
        return True
    # In a file of settings nothing else stands there.
    return named_directly and "=" in match["join"] and value.isascii()


def _is_token(match: re.Match[str], value: str) -> bool:
    letters = any(each.isalpha() for each in value)
    return letters and any(each.isdigit() for each in value) and _entropy(value) >= 3.0


def _is_bearer(match: re.Match[str], value: str) -> bool:
    return any(each.isdigit() for each in value) or _entropy(value) >= 3.5


def _entropy(value: str) -> float:
    """Shannon's, in bits for each character."""
    return -sum(
        count / len(value) * math.log2(count / len(value)) for count in Counter(value).values()
    )


def _password_of(address: str) -> str:
    return address.split("://", 1)[1].rsplit("@", 1)[0].partition(":")[2]
