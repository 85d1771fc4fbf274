"""The WAN benchmark in its smallest form: real nodes, proxies and both clients."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from benchmarks.wan.__main__ import main
from tests.conftest import ENVIRONMENTS, REPOSITORY

# Without any delay, a node may have closed a session's stream before Petals' client has written its end: then the
# client hangs now and then, as its garbage collector closes the session on the thread that has to do it.
ASKED = ["--profile", "20ms", "--work", "code", "--most", "1", "--tokens", "4", "--json"]


def test_both_clients_give_the_same_answers_and_every_figure_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.wan", *ASKED],
        cwd=REPOSITORY,
        env={**os.environ, "HOHEIT_ENVIRONMENTS_DIR": str(ENVIRONMENTS)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["profile"] == "20ms"
    assert found["compression"] == "NONE"
    assert found["equal_output"] is True
    assert found["answers"] == found["equal_answers"] == 5
    assert found["stock_broken"] == 0
    assert found["limit_tokens_per_s"] == pytest.approx(found["tokens_per_round"] / 0.08, 0.01)
    # No round trip is faster than four ways.
    assert 0 < found["of_limit"] <= 1
    for name in ("stock_tokens_per_s", "hoheit_tokens_per_s", "ratio", "idle_bytes_per_s"):
        assert found[name] > 0, name
    for name in ("ttft_turn1_s", "ttft_turn5_s", "bytes_per_token", "bytes_per_decoded_token"):
        assert found[name]["stock"] > 0 and found[name]["hoheit"] > 0, name


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--rounds", "0"], "'0' is not a number from 1 on"),
        (["--profile", "moon"], "bad-link, all"),
        (["--compression", "ZIP"], "MEANSTD_16BIT"),
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
