"""Keys, tokens and passwords are recognised by their makers' formats and by the words beside them."""

import random
import string

import pytest

from backend_adapter.egress.detect.detectors import Detectors

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


def some(count: int, alphabet: str = LETTERS) -> str:
    # Made here, so that no scanner of repositories takes the file for a leak.
    return "".join(random.Random(count).choices(alphabet, k=count))


TOKENS = [
    ("SECRET_AWS_KEY", "AKIA" + some(16, string.ascii_uppercase + "234567")),
    ("SECRET_GITHUB_TOKEN", "ghp_" + some(36)),
    ("SECRET_GITHUB_TOKEN", "github_pat_" + some(22) + "_" + some(59)),
    ("SECRET_GITLAB_TOKEN", "glpat-" + some(20)),
    ("SECRET_SLACK_TOKEN", "xoxb-" + some(12, string.digits) + "-" + some(24)),
    (
        "SECRET_SLACK_TOKEN",
        "https://hooks.slack.com/services/T" + some(8) + "/B" + some(8) + "/" + some(24),
    ),
    ("SECRET_GOOGLE_KEY", "AIza" + some(35)),
    ("SECRET_OPENAI_KEY", "sk-proj-" + some(48)),
    ("SECRET_OPENAI_KEY", "sk-" + some(48)),
    ("SECRET_ANTHROPIC_KEY", "sk-ant-api03-" + some(93) + "AA"),
    ("SECRET_HUGGING_FACE_TOKEN", "hf_" + some(34)),
    ("SECRET_STRIPE_KEY", "sk_live_" + some(24)),
    ("SECRET_TWILIO_KEY", "SK" + some(32, HEX)),
    ("SECRET_SENDGRID_KEY", "SG." + some(22) + "." + some(43)),
    ("SECRET_MAILGUN_KEY", "key-" + some(32, HEX)),
    ("SECRET_NPM_TOKEN", "npm_" + some(36)),
    ("SECRET_PYPI_TOKEN", "pypi-AgEIcHlwaS5vcmc" + some(80)),
    ("SECRET_DOCKER_TOKEN", "dckr_pat_" + some(27)),
    ("SECRET_DIGITALOCEAN_TOKEN", "dop_v1_" + some(64, HEX)),
    ("SECRET_SHOPIFY_TOKEN", "shpat_" + some(32, HEX)),
    ("SECRET_TELEGRAM_TOKEN", "123456789:AA" + some(33)),
    ("SECRET_JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + some(43)),
    ("CONNECTION_STRING", "postgresql://app:" + some(9) + "@db.lan:5432/site"),
]


@pytest.mark.parametrize(("category", "token"), TOKENS)
@pytest.mark.parametrize("around", ["{}", "Der Schlüssel {}, bitte.", 'export KEY="{}"\n', "({})"])
def test_a_token_is_recognised_by_its_makers_format(
    category: str, token: str, around: str, detectors: Detectors
) -> None:
    found = detectors.find(around.format(token))
    assert [(each.category, each.value) for each in found] == [(category, token)]


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_one_secret_even_if_it_is_cut_off(kind: str, detectors: Detectors) -> None:
    body = "\n".join(some(64) for _ in range(20))
    key = f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"
    assert [each.value for each in detectors.find(f"Hier:\n{key}\nDanke")] == [key]
    (cut,) = detectors.find(f"Hier:\n{key[:400]}")
    assert cut.value == key[:400]
    assert cut.kind == "secret"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: hunter2", "hunter2"),
        ("password=hunter", "hunter"),
        ("pwd=xyzzy;", "xyzzy"),
        ("Passwort lautet Sonnenblume.", "Sonnenblume"),
        ("Das Passwort ist Gh7!kkL2", "Gh7!kkL2"),
        ("Kennwort: Gh7!kkL2", "Gh7!kkL2"),
        ("Das neue Passwort für das Portal: Gh7!kkL2", "Gh7!kkL2"),
        ('"password": "correct horse battery"', "correct horse battery"),
        ("DB_PASSWORD=s3cr3t!", "s3cr3t!"),
        ("PIN: 4711", "4711"),
        ("my password is Tr0ub4dor&3", "Tr0ub4dor&3"),
    ],
)
def test_a_password_is_recognised_by_the_words_beside_it(
    text: str, value: str, detectors: Detectors
) -> None:
    found = detectors.find(text)
    assert [(each.category, each.value) for each in found] == [("PASSWORD", value)]


def test_a_token_of_nobody_known_is_recognised_beside_the_word_for_it(detectors: Detectors) -> None:
    token = some(40)
    assert [each.value for each in detectors.find(f'api_key = "{token}"')] == [token]
    assert detectors.find(f"Prüfsumme {some(40, HEX)}") == []
    assert [each.category for each in detectors.find(f"Authorization: Bearer {token}")] == [
        "BEARER_TOKEN"
    ]


def test_a_secret_in_an_address_of_mail_or_beside_a_name_is_whole(detectors: Detectors) -> None:
    text = "amqp://user:Jörg.Weißmüller@rabbit.lan"
    (found,) = detectors.find(text)
    assert found.value == text
