"""A policy is accepted whole or not at all, and says by which line it decides."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.egress.classes import DataClass, highest
from backend_adapter.egress.policy.reading import built_in, parse, read_policy
from backend_adapter.egress.policy.rules import Decision, Destination, strictest
from backend_adapter.errors import SettingsError

FAR = Destination("far", "public")
NEAR = Destination("near", "partner")
CLASSES = st.sampled_from(get_args(DataClass))

WRITTEN = """\
# Ours.
rules:
  - class: [public, internal]
    to: near
    users: "*@town.example"
    then: send
  - {class: internal, to: [partner, public], then: pseudonymise}

  - {to: public, users: [role:admin], then: on_site}
"""


@pytest.mark.parametrize(
    ("data_class", "action", "line"),
    [
        ("public", "send", 11),
        ("internal", "pseudonymise", 12),
        ("confidential", "passages", 13),
        ("secret", "on_site", 14),
    ],
)
def test_the_built_in_policy_is_that_of_the_four_classes(
    data_class: DataClass, action: str, line: int
) -> None:
    for destination in (FAR, NEAR):
        decision = read_policy(None).decide(data_class, destination, ())
        assert decision == Decision(action, f"built-in policy:{line}")  # type: ignore[arg-type]


def test_the_built_in_policy_can_be_changed_and_used(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(built_in().replace("then: send", "then: refuse"), encoding="utf-8")
    assert read_policy(file).decide("public", FAR, ()) == Decision("refuse", "ours.yaml:11")


@pytest.mark.parametrize(
    ("data_class", "destination", "user", "expected"),
    [
        ("internal", NEAR, ["u1", "Anna@Town.example"], ("send", 3)),
        ("internal", NEAR, ["u1"], ("pseudonymise", 7)),
        ("internal", FAR, ["anna@town.example"], ("pseudonymise", 7)),
        ("secret", FAR, ["role:admin"], ("on_site", 9)),
        ("secret", FAR, ["role:user"], ("refuse", 0)),
        ("secret", NEAR, ["role:admin"], ("refuse", 0)),
    ],
)
def test_the_first_line_that_fits_decides_and_where_none_does_nothing_leaves(
    data_class: DataClass, destination: Destination, user: list[str], expected: tuple[str, int]
) -> None:
    decision = parse(WRITTEN, "p.yaml").decide(data_class, destination, user)
    action, line = expected
    assert decision.action == action
    assert decision.line == (f"p.yaml:{line}" if line else "p.yaml: no rule fits")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "rules"),
        ("rules: []", "no rules"),
        ("rules: 3", "line 1"),
        ("- {then: send}", "p.yaml"),
        ("rules:\n - {class: geheim, then: send}", "line 2: class"),
        ("rules:\n - {then: send}\n - {class: secret}", "line 3: then"),
        ("rules:\n - {then: sent}", "line 2: then"),
        ("rules:\n - {then: send, tp: far}", "line 2: tp"),
        ("rules:\n - {then: send}\nlink_host: [a]", "line 3: link_host"),
        ("rules:\n - {then: send,\n    then: refuse}", "line 3: 'then' stands twice"),
        ("rules:\n - {then: send}\nrules:\n - {then: refuse}", "line 3: 'rules' stands twice"),
        ("rules:\n - {class: [], then: send}", "line 2: class"),
        ("rules:\n - {to: [], then: send}", "line 2: to"),
        ("rules:\n - {users: '', then: send}", "line 2: users"),
        ("rules:\n - {users: [3], then: send}", "line 2: users"),
        ("rules:\n - {then: send", "line"),
        ("rules: &a [*a]", "p.yaml"),
        ("rules: !!python/object/apply:os.system ['true']", "line 1"),
        ("unlabelled: unknown\nrules: [{then: send}]", "line 1: unlabelled"),
        ("rules: [{then: send}]\nsite_tools: files_*", "line 2: site_tools"),
        ("\ud800", "p.yaml"),
    ],
)
def test_a_policy_with_a_fault_is_refused_whole_and_the_line_is_named(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text, "p.yaml")
    assert says in str(refused.value)


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        read_policy(tmp_path / "none.yaml")


@given(st.lists(CLASSES))
def test_of_several_classes_the_one_that_needs_most_care_counts(classes: list[DataClass]) -> None:
    order = get_args(DataClass)
    assert all(order.index(each) <= order.index(highest(classes)) for each in classes)


@given(
    st.lists(st.sampled_from(["send", "pseudonymise", "passages", "on_site", "refuse"]), min_size=1)
)
def test_of_several_decisions_the_strictest_counts(actions: list[str]) -> None:
    decisions = [Decision(each, "") for each in actions]  # type: ignore[arg-type]
    order = ["send", "pseudonymise", "passages", "on_site", "refuse"]
    assert strictest(decisions).action == max(actions, key=order.index)


@pytest.mark.parametrize(
    ("tool", "on_site"),
    [("files_search", True), ("databases_query", True), ("search_web", False), ("xfiles_", False)],
)
def test_a_tool_that_nobody_named_leaves_the_site(tool: str, on_site: bool) -> None:
    assert read_policy(None).runs_on_site(tool) is on_site
