"""What is written to the home is written whole or not at all."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hoheit import secrets
from hoheit.errors import HoheitError, SettingsError
from hoheit.home import find, make_folder, write_whole


def test_the_home_is_where_the_variable_says(tmp_path: Path) -> None:
    assert find({"HOHEIT_HOME": str(tmp_path)}).path == tmp_path


def test_without_the_variable_the_home_is_the_platforms_data_folder() -> None:
    assert find({}).path.name == "hoheit"


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = secrets.read_or_make(tmp_path / "secrets", "adapter-key")
    assert secrets.read_or_make(tmp_path / "secrets", "adapter-key") == first
    assert stat.S_IMODE((tmp_path / "secrets" / "adapter-key").stat().st_mode) == 0o600
    assert len(first.get_secret_value()) >= 32


def test_a_short_secret_is_refused_without_repeating_it(tmp_path: Path) -> None:
    (tmp_path / "adapter-key").write_text("geheim\n")
    with pytest.raises(SettingsError) as error:
        secrets.read_or_make(tmp_path, "adapter-key")
    assert "adapter-key" in str(error.value)
    assert "geheim" not in str(error.value)


def test_writing_replaces_the_whole_content(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_whole(target, "a long first content")
    write_whole(target, "short")
    assert target.read_text() == "short"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_in_the_way_of_the_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(HoheitError) as error:
        make_folder(tmp_path / "home" / "secrets")
    assert str(tmp_path / "home") in str(error.value)
    assert "HOHEIT_HOME" in str(error.value)


ON_A_FULL_DISK = """
set -e
mount -t tmpfs -o size=64k none "$1"
cd /
printf old > "$1/kept.json"
head -c 60k /dev/zero > "$1/filler" 2>/dev/null || true
exec "$2" - "$1" <<'PYTHON'
import sys
from pathlib import Path
from hoheit.errors import HoheitError
from hoheit.home import write_whole
folder = Path(sys.argv[1])
try:
    write_whole(folder / "kept.json", "x" * 200_000)
except HoheitError as error:
    print(error)
print(sorted(path.name for path in folder.iterdir()), (folder / "kept.json").read_text())
PYTHON
"""


def test_a_full_disk_leaves_the_old_content_and_nothing_half_written(tmp_path: Path) -> None:
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_FULL_DISK, "sh", str(tmp_path), sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "No space left on device" in result.stdout
    assert "Free disk space" in result.stdout
    assert "['filler', 'kept.json'] old" in result.stdout


def test_hoheit_up_on_a_disk_that_is_too_small_says_so_and_writes_nothing(tmp_path: Path) -> None:
    script = (
        'mount -t tmpfs -o size=1m none "$1"; HOHEIT_HOME="$1/home" "$2" -m hoheit up;'
        ' ls -A "$1/home/secrets" "$1/home/data" 2>&1'
    )
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "MB free; at least" in result.stderr
    assert "Traceback" not in result.stderr
    assert "adapter-key" not in result.stdout
