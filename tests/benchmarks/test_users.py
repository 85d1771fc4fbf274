"""The benchmark of many users in its smallest form: real nodes of ours and a real client."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from benchmarks.users.__main__ import main
from tests.conftest import ENVIRONMENTS, REPOSITORY

ASKED = ["--kind", "ours", "--users", "2,1", "--tokens", "3", "--json"]


def test_users_get_their_own_answers_and_every_figure_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.users", *ASKED],
        cwd=REPOSITORY,
        env={**os.environ, "HOHEIT_ENVIRONMENTS_DIR": str(ENVIRONMENTS)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal_output"] is True
    assert found["one_user_vs_stock"] is found["ours"]["scaling_8"] is None
    assert (found["profile"], found["tokens"], found["rounds"]) == ("none", 3, 1)
    assert found["broken"] == []
    assert list(found["ours"]["users"]) == ["1", "2"]
    for users, amounts in found["ours"]["users"].items():
        assert amounts["equal_answers"] == amounts["answers"] == int(users)
        assert amounts["tokens_per_s"] > 0
        assert amounts["cpu_cores"] > 0
        assert amounts["cpu_ms_per_token"]["nodes"] > 0
        assert set(amounts["cpu_ms_per_token"]) == {"nodes", "nodes_p2pd", "client", "client_p2pd"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--users", "1,0"], "'0' is not a number from 1 on"),
        (["--users", "1;2"], "'1;2' is not a number from 1 on"),
        (["--kind", "theirs"], "stock, both"),
        (["--profile", "moon"], "none, lan"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    asked: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(asked)
    told = capsys.readouterr().err
    assert asked[0] in told
    assert said.replace("'", "") in told.replace("'", "")
