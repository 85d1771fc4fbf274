"""The egress benchmark over its corpus, for the boundary alone."""

from pathlib import Path

import pytest

from benchmarks.egress import detecting, memory
from benchmarks.egress.__main__ import main
from benchmarks.egress.corpus import CATEGORIES


def test_what_is_known_is_found_and_what_is_not_known_mostly(tmp_path: Path) -> None:
    found = detecting.measure(seed=8, each=1, only=[detecting.OURS], misses=tmp_path)
    ours = found[detecting.OURS]
    assert ours["labelled_recall"] == 1.0
    assert ours["recall"] > 0.9
    assert ours["precision"] > 0.9
    assert ours["end_to_end"]["recall"] > 0.9
    assert set(ours["by_category"]) == set(CATEGORIES)
    # What is missed in templates that are held out is nobody's to read.
    misses = (tmp_path / f"{detecting.OURS}-misses.tsv").read_text(encoding="utf-8")
    assert "chat-medical" not in misses


def test_a_list_is_known_to_its_end() -> None:
    assert memory.measure(3000)["finds_all"] is True


def test_a_peer_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "hoheit,somebody"])
    assert "'somebody' is none of hoheit, presidio" in capsys.readouterr().err
