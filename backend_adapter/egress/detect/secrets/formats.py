"""The formats that makers give their keys and tokens, each with a mark of its own: they need no word beside them.

Above each stands where its maker documents it.
"""

import re
from dataclasses import dataclass

from backend_adapter.egress.detect.hits import SECRET

_BEGIN, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class Format:
    """A secret that has one of these marks; the pattern finds all of it.

    One that may stand `anywhere` also has blanks or stands within a longer word.
    """

    category: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    weight: int = SECRET
    anywhere: bool = True


def _word(category: str, marks: str, pattern: str) -> Format:
    """A secret that is a word of its own; its marks have blanks between them."""
    return Format(
        category, tuple(marks.split()), re.compile(f"{_BEGIN}(?:{pattern}){_END}"), anywhere=False
    )


_PEM_LABEL = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"

FORMATS = (
    # AWS IAM user guide, "Unique identifiers".
    _word("SECRET_AWS_KEY", "AKIA ASIA ABIA ACCA", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    # GitHub docs, "About authentication to GitHub", token prefixes.
    _word(
        "SECRET_GITHUB_TOKEN",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    ),
    # GitLab docs, "Token overview", token prefixes.
    _word(
        "SECRET_GITLAB_TOKEN",
        "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas-",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[\w.-]{20,300}",
    ),
    # Slack API docs, "Token types", and incoming webhooks.
    _word(
        "SECRET_SLACK_TOKEN",
        "xox xapp-",
        r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}",
    ),
    Format(
        "SECRET_SLACK_TOKEN",
        ("hooks.slack.com/",),
        re.compile(
            r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,120}"
        ),
    ),
    # Google Cloud docs, API keys; OAuth 2.0 client secrets and access tokens.
    _word(
        "SECRET_GOOGLE_KEY",
        "AIza GOCSPX- ya29.",
        r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w.-]{20,2048}",
    ),
    # Anthropic before OpenAI: both begin with sk-.
    _word("SECRET_ANTHROPIC_KEY", "sk-ant-", r"sk-ant-(?:[a-z]+\d{2}-)?[\w-]{20,250}"),
    _word(
        "SECRET_OPENAI_KEY",
        "sk-",
        r"sk-(?!ant-)(?:(?:proj|svcacct|admin|None)-[\w-]{20,250}|[A-Za-z0-9]{32,64})",
    ),
    # Hugging Face docs, "User access tokens".
    _word("SECRET_HUGGING_FACE_TOKEN", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z0-9]{30,60}"),
    # Stripe docs, "API keys", and signing secrets of webhooks.
    _word(
        "SECRET_STRIPE_KEY",
        "sk_live_ sk_test_ rk_live_ rk_test_ whsec_",
        r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/]{16,250}",
    ),
    # Twilio docs, "REST API: API keys"; SendGrid and Mailgun docs.
    _word("SECRET_TWILIO_KEY", "SK AC", r"(?:SK|AC)[0-9a-f]{32}"),
    _word("SECRET_SENDGRID_KEY", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    _word("SECRET_MAILGUN_KEY", "key-", r"key-[0-9a-f]{32}"),
    # npm docs; PyPI help (tokens are macaroons in Base64); Docker docs.
    _word("SECRET_NPM_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _word("SECRET_PYPI_TOKEN", "pypi-", r"pypi-AgE[\w-]{50,1000}"),
    _word("SECRET_DOCKER_TOKEN", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[\w-]{20,64}"),
    # DigitalOcean and Shopify changelogs, token prefixes.
    _word("SECRET_DIGITALOCEAN_TOKEN", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _word(
        "SECRET_SHOPIFY_TOKEN",
        "shpat_ shpca_ shppa_ shpss_",
        r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    ),
    # Telegram Bot API, "Authorizing your bot"; Discord's developer docs.
    _word("SECRET_TELEGRAM_TOKEN", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _word("SECRET_DISCORD_TOKEN", ".", r"[MNO][A-Za-z\d]{23,27}\.[\w-]{6}\.[\w-]{27,38}"),
    # RFC 7519: header and claims are JSON objects, so both begin with {" in Base64.
    _word(
        "SECRET_JWT",
        "eyJ",
        r"eyJ[\w-]{8,4096}\.eyJ[\w-]{4,16384}(?:\.[\w-]{0,4096})?={0,2}",
    ),
    # Azure Storage connection strings.
    Format(
        "SECRET_AZURE_KEY",
        ("AccountKey=", "SharedAccessKey="),
        re.compile(
            r"(?<=AccountKey=)[A-Za-z0-9+/]{40,100}={0,2}"
            r"|(?<=AccessKey=)[A-Za-z0-9+/]{40,100}={0,2}"
        ),
    ),
    # RFC 7468; OpenSSH and PGP write theirs alike. One that was cut off is one too.
    Format(
        "PRIVATE_KEY",
        ("PRIVATE KEY",),
        re.compile(
            rf"-----BEGIN {_PEM_LABEL}(?:(?!-----BEGIN)[\s\S]){{0,32768}}?"
            rf"(?:-----END {_PEM_LABEL}|(?=-----BEGIN)|\Z)"
        ),
        SECRET + 5,
    ),
    # RFC 3986, section 3.2.1.
    Format(
        "CONNECTION_STRING",
        ("://",),
        re.compile(
            r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:@/\"'<>]{0,128}:[^\s@/\"'<>]{1,256}"
            r"@[^\s\"'<>]{1,512}(?<![.,;)\]}])"
        ),
        SECRET + 2,
    ),
)
