"""Answers that are held to a form have it, whatever the model would rather say."""

import asyncio
import json
import re

import pytest
from local import END, LocalSession, tiny

from backend_adapter.petals.decode import Decoder, Depth, Draft, Grammars, NGrams, Sampling
from backend_adapter.petals.errors import GenerationError
from backend_adapter.petals.model.local import LocalModel
from backend_adapter.petals.model.tokenizer import Text

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "kind": {"enum": ["cat", "dog", "größe"]},
        "ages": {"type": "array", "items": {"type": "integer", "maximum": 99}, "maxItems": 3},
    },
    "required": ["name", "kind", "ages"],
    "additionalProperties": False,
    "x-guidance": {"whitespace_flexible": False},
}
JSON = f"start: %json {json.dumps(SCHEMA)}\n"
CALL = (
    'start: "<tool_call>\\n" call "\\n</tool_call>"\n'
    'call: "{\\"name\\": \\"look\\", \\"arguments\\": " arguments "}"\n'
    'arguments: %json {"type": "object", "properties": {"at": {"type": "boolean"}}, "required": ["at"],'
    ' "additionalProperties": false, "x-guidance": {"whitespace_flexible": false}}\n'
)
PROMPT = [0, 40, 41, 42]
SAMPLINGS = [Sampling(temperature=0), *(Sampling(seed=seed, temperature=1.5) for seed in range(6))]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("model"), seed=4)


@pytest.fixture(scope="module")
def model(directory):
    return LocalModel(directory)


@pytest.fixture(scope="module")
def text(directory):
    return Text(directory)


@pytest.fixture(scope="module")
def grammars(model, text):
    return Grammars(text, model.ends.vocabulary)


def answer(model, text, grammars, grammar, sampling, *, most=300, eos=None, **options):
    constraint = grammars.constraint(grammar)
    decoder = Decoder(
        LocalSession(model),
        model.ends,
        sampling,
        constraint=constraint,
        eos=text.eos if eos is None else eos,
        **options,
    )

    async def collect():
        return [token.id async for each in decoder.tokens(PROMPT, most) for token in each]

    ids = asyncio.run(collect())
    return ids, decoder


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_json_is_valid_and_of_the_schema(model, text, grammars, sampling):
    ids, _ = answer(model, text, grammars, JSON, sampling)
    assert ids[-1] in text.eos
    told = json.loads(text.decode(ids))
    assert set(told) == {"name", "kind", "ages"}
    assert len(told["name"]) <= 6
    assert told["kind"] in ("cat", "dog", "größe")
    assert all(isinstance(each, int) and each <= 99 for each in told["ages"])


@pytest.mark.parametrize("grammar", [JSON, CALL])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("drafter", [None, NGrams])
def test_drafts_change_nothing_within_a_form(model, text, grammars, sampling, drafter, grammar):
    alone, slow = answer(model, text, grammars, grammar, sampling, depth=Depth(0))
    ids, decoder = answer(
        model, text, grammars, grammar, sampling, drafter=drafter and drafter(), depth=Depth(8)
    )
    assert ids == alone
    assert slow.drafted == 0 < decoder.accepted
    assert decoder.rounds < slow.rounds


def test_what_the_form_does_not_allow_is_not_even_sent(model, text, grammars):
    class Stubborn:
        def extend(self, ids):
            pass

        def propose(self, most):
            return Draft(tuple(text.encode("7777")[:most]), "stubborn")

    ids, decoder = answer(
        model, text, grammars, "start: /[a-z]{10}/\n", SAMPLINGS[1], drafter=Stubborn()
    )
    assert len(text.decode(ids)) == 10
    assert decoder.drafted == 0


def test_an_expression_is_matched(model, text, grammars):
    for sampling in SAMPLINGS:
        ids, _ = answer(model, text, grammars, "start: /[a-f]{3}-[0-9]{2,5}/\n", sampling)
        assert re.fullmatch(r"[a-f]{3}-[0-9]{2,5}", text.decode(ids))


def test_a_choice_is_made(model, text, grammars):
    ids, _ = answer(model, text, grammars, 'start: "yes" | "no"\n', SAMPLINGS[1])
    assert text.decode(ids) in ("yes", "no")


def test_a_form_that_is_complete_ends_the_answer_even_where_ends_are_ignored(model, text, grammars):
    ids, _ = answer(model, text, grammars, 'start: "yes"\n', SAMPLINGS[0], eos=frozenset())
    assert text.decode(ids, special=True) == f"yes{END}"


def test_an_answer_that_is_cut_off_is_the_forms_beginning(model, text, grammars):
    ids, _ = answer(model, text, grammars, CALL, SAMPLINGS[0], most=12)
    assert len(ids) == 12
    assert "<tool_call>\n{".startswith(text.decode(ids))


def test_what_is_forced_is_known_beforehand(text, grammars):
    constraint = grammars.constraint('start: "abcabc" /[xy]/\n')
    assert text.decode(constraint.forced()) == "abcabc"
    ids = text.encode("abcabc")
    assert constraint.valid([*ids, *text.encode("z")]) == len(ids)
    for each in ids:
        assert constraint.mask()[each]
        constraint.accept(each)
    assert constraint.forced() == []
    allowed = constraint.mask().nonzero()[:, 0].tolist()
    assert sorted(text.decode([each]) for each in allowed) == ["x", "y"]


def test_what_has_not_come_after_all_is_taken_back(text, grammars):
    constraint = grammars.constraint("start: /[a-z]{4}/\n")
    before = constraint.mask()
    for each in text.encode("wxyz"):
        constraint.accept(each)
    assert constraint.complete
    constraint.rollback(4)
    assert not constraint.complete
    assert constraint.mask().equal(before)


def test_what_may_not_come_is_refused(text, grammars):
    constraint = grammars.constraint("start: /[a-z]+/\n")
    with pytest.raises(GenerationError, match="form cannot be followed"):
        constraint.accept(text.encode("7")[0])


@pytest.mark.parametrize("grammar", ["start: nothing", 'start: %json {"type": "what"}', "§", ""])
def test_what_is_no_grammar_is_named(grammars, grammar):
    with pytest.raises(GenerationError, match="cannot be held to this form"):
        grammars.constraint(grammar)


def test_scores_beyond_the_last_token_are_never_chosen(model, text):
    padded = Grammars(text, model.ends.vocabulary + 21)
    mask = padded.constraint("start: /(.|\\n)*/\n").mask()
    assert mask.shape == (model.ends.vocabulary + 21,)
    assert not mask[model.ends.vocabulary :].any()
    assert mask[: model.ends.vocabulary].sum() > 150


def test_a_model_without_an_end_has_no_forms(directory, tmp_path, model):
    (tmp_path / "tokenizer.json").write_text((directory / "tokenizer.json").read_text())
    with pytest.raises(GenerationError, match="no token that ends"):
        Grammars(Text(tmp_path), model.ends.vocabulary)
