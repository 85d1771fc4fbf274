"""Text and chats as the model's own files have them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local import END, START, tiny

from backend_adapter.petals.errors import GenerationError, WeightsError
from backend_adapter.petals.model.template import Template
from backend_adapter.petals.model.tokenizer import Text

CHAT = [{"role": "user", "content": "Hi  "}, {"role": "assistant", "content": "Well "}]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def text(directory):
    return Text(directory)


def with_template(directory, tmp_path, template):
    for name in ("tokenizer.json", "config.json"):
        (tmp_path / name).write_text((directory / name).read_text())
    settings = {"eos_token": {"content": END}, "chat_template": template}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return Text(tmp_path)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_text_comes_back_as_it_went(text, said):
    assert text.decode(text.encode(said)) == said


def test_half_a_character_is_shown_as_such_until_it_is_whole(text):
    ids = text.encode("€")
    assert len(ids) == 3
    assert text.decode(ids[:2]).endswith("\ufffd")
    assert text.decode(ids) == "€"


def test_special_tokens_are_shown_on_demand(text):
    ids = text.encode(f"{START}x{END}")
    assert len(ids) == 3
    assert text.decode(ids) == "x"
    assert text.decode(ids, special=True) == f"{START}x{END}"


def test_every_end_that_any_file_names_is_one(directory, tmp_path):
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    made = with_template(directory, tmp_path, "")
    assert made.eos == {7, 9, made.vocabulary[END]}


def test_a_chat_is_written_by_the_models_template(text):
    shown = text.decode(text.prompt(CHAT), special=True)
    assert shown == (f"{START}user\nHi  {END}\n{START}assistant\nWell {END}\n{START}assistant\n")


def test_the_last_message_is_continued_where_its_content_ends(text):
    shown = text.decode(text.prompt(CHAT, continue_final_message=True), special=True)
    assert shown == f"{START}user\nHi  {END}\n{START}assistant\nWell "


def test_an_empty_last_message_is_continued(text):
    chat = [CHAT[0], {"role": "assistant", "content": ""}]
    assert text.render(chat, continue_final_message=True).endswith("assistant\n")


def test_a_template_that_leaves_the_last_message_out_cannot_continue_it(directory, tmp_path):
    made = with_template(directory, tmp_path, "{{ messages[0].content }}")
    with pytest.raises(GenerationError, match="does not write the last message"):
        made.prompt(CHAT, continue_final_message=True)
    with pytest.raises(GenerationError, match="no text to continue"):
        made.prompt([{"role": "assistant", "content": None}], continue_final_message=True)


def test_a_template_says_why_it_cannot_render(directory, tmp_path):
    made = with_template(directory, tmp_path, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(GenerationError, match="roles must alternate"):
        made.prompt(CHAT)


def test_a_model_without_a_template_has_no_chats(directory, tmp_path):
    made = with_template(directory, tmp_path, None)
    assert not made.knows_tools
    with pytest.raises(GenerationError, match="no chat template"):
        made.prompt(CHAT)


@pytest.mark.parametrize(
    "attempt",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__.keys() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(attempt):
    with pytest.raises(GenerationError):
        Template(attempt, {}).render(CHAT, None, False)


def test_a_broken_template_is_the_models_fault():
    with pytest.raises(WeightsError, match="template"):
        Template("{% for %}", {})


def test_tools_reach_the_template_as_plain_json(directory, tmp_path):
    made = with_template(
        directory, tmp_path, "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}"
    )
    assert made.knows_tools
    assert made.marks_calls
    assert made.render(CHAT, [{"name": "<größe>"}]) == '[{"name": "<größe>"}]<tool_call>'
    assert made.render(CHAT, []) == ""


def test_what_only_training_reads_is_passed_over():
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% continue %}{% endif %}-{% endfor %}"
    )
    assert Template(source, {}).render(CHAT, None, False) == "-Well "


def test_a_tokenizer_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        Text(tmp_path)
