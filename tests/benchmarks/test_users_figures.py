"""The figures of the benchmark of many users, from answers with known times."""

from benchmarks.users.figures import Round, figures

ALONE = [[user, 2, 3, 4] for user in range(8)]


def answered(users: int, seconds: float, nodes_s: float = 1.0) -> Round:
    return Round(seconds, ALONE[:users], {"nodes": nodes_s, "client": 0.2})


def test_figures_are_medians_of_the_rounds() -> None:
    rounds = {
        1: [answered(1, 2.0), answered(1, 4.0), answered(1, 1.0)],
        8: [answered(8, 2.0), answered(8, 4.0, 3.2), answered(8, 8.0, 6.4)],
    }
    assert figures({"ours": rounds}, ALONE) == {
        "ours": {
            "users": {
                "1": {
                    "tokens_per_s": 2.0,
                    "cpu_ms_per_token": {"nodes": 250.0, "client": 50.0},
                    "cpu_cores": 0.6,
                    "equal_answers": 3,
                    "answers": 3,
                },
                "8": {
                    "tokens_per_s": 8.0,
                    "cpu_ms_per_token": {"nodes": 100.0, "client": 6.25},
                    "cpu_cores": 0.83,
                    "equal_answers": 24,
                    "answers": 24,
                },
            },
            "scaling_8": 4.0,
        },
        "one_user_vs_stock": None,
        "equal_output": True,
    }


def test_sides_are_compared_where_both_were_asked_alone() -> None:
    sides = {
        "ours": {1: [answered(1, 1.0)]},
        "stock": {1: [answered(1, 3.0)]},
        "ours_on_stock": {1: [answered(1, 4.0)]},
    }
    assert figures(sides, ALONE)["one_user_vs_stock"] == 3.01
    assert figures(sides, ALONE)["ours"]["scaling_8"] is None
    without = sides | {"stock": {2: [answered(2, 3.0)]}}
    assert figures(without, ALONE)["one_user_vs_stock"] is None


def test_what_was_not_measured_has_no_figures() -> None:
    found = figures({"stock": {1: [answered(1, 1.0)], 8: []}}, ALONE)
    assert list(found["stock"]["users"]) == ["1"]
    assert found["stock"]["scaling_8"] is None
    assert found["equal_output"] is True


def test_one_other_token_is_another_answer() -> None:
    other = Round(1.0, [ALONE[0], [1, 2, 3, 5]], {"nodes": 1.0})
    found = figures({"ours": {1: [answered(1, 1.0)]}, "stock": {2: [other]}}, ALONE)
    assert found["equal_output"] is False
    assert found["ours"]["users"]["1"]["equal_answers"] == 1
    assert found["stock"]["users"]["2"]["equal_answers"] == 1
    assert found["stock"]["users"]["2"]["answers"] == 2


def test_an_answer_that_ended_early_is_another_answer() -> None:
    short = Round(1.0, [ALONE[0][:3]], {"nodes": 1.0})
    assert figures({"ours": {1: [short]}}, ALONE)["equal_output"] is False
