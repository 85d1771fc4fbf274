"""Nothing outside the served folders can be listed or opened, however the path is written."""

import os
import socket
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_servers.errors import AccessError, SettingsError
from mcp_servers.files.roots import Roots
from mcp_servers.files.settings import RootSettings

SECRET = "SECRET-OUTSIDE"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A root with ordinary files, links of every sort, and secrets around it."""
    root = tmp_path / "served"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "plain.txt").write_text("plain")
    (root / "sub" / "inner.txt").write_text("inner")
    (root / "sub" / "deep" / "deepest.txt").write_text("deepest")
    (root / ".hidden").write_text(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text(SECRET)
    (tmp_path / "outside.txt").write_text(SECRET)
    (tmp_path / "served-too").mkdir()
    (tmp_path / "served-too" / "near.txt").write_text(SECRET)
    (root / "link-inside.txt").symlink_to("sub/inner.txt")
    (root / "link-absolute.txt").symlink_to(root / "sub" / "inner.txt")
    (root / "link-folder").symlink_to("sub")
    (root / "link-out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "link-up").symlink_to("..")
    (root / "link-near").symlink_to(tmp_path / "served-too")
    (root / "link-hidden.txt").symlink_to(".hidden")
    (root / "link-loop").symlink_to("link-loop")
    (root / "link-passwd").symlink_to("/etc/passwd")
    (root / "link-null").symlink_to("/dev/null")
    os.mkfifo(root / "fifo.txt")
    (root / "link-fifo.txt").symlink_to("fifo.txt")
    (root / unicodedata.normalize("NFD", "übersicht.txt")).write_text("decomposed")
    return tmp_path


@pytest.fixture
def roots(base: Path) -> Roots:
    return Roots([RootSettings(name="r", path=base / "served")])


def content(roots: Roots, path: str) -> str:
    with roots.open(path) as (_, file):
        return file.read().decode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("r/plain.txt", "plain"),
        ("r/sub/inner.txt", "inner"),
        ("r/sub/deep/deepest.txt", "deepest"),
        ("r/link-inside.txt", "inner"),
        ("r/link-absolute.txt", "inner"),
        ("r/link-folder/inner.txt", "inner"),
        ("r/link-folder/deep/deepest.txt", "deepest"),
        (unicodedata.normalize("NFC", "r/übersicht.txt"), "decomposed"),
        (unicodedata.normalize("NFD", "r/übersicht.txt"), "decomposed"),
    ],
)
def test_opens_what_lies_under_the_root(roots: Roots, path: str, text: str) -> None:
    assert content(roots, path) == text


ATTACKS = [
    "",
    "/",
    ".",
    "..",
    "r/..",
    "r/../outside.txt",
    "r/sub/../../outside.txt",
    "r/sub/../plain.txt",
    "r/./plain.txt",
    "r//plain.txt",
    "r//etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "/r/plain.txt",
    "etc/passwd",
    "~/plain.txt",
    "~root/x",
    "r/~",
    "R/plain.txt",
    "r\\plain.txt",
    "r/..\\outside.txt",
    "r\\..\\outside.txt",
    "r/%2e%2e/outside.txt",
    "r/..%2foutside.txt",
    "%72/plain.txt",
    "r/\uff0e\uff0e/outside.txt",
    "r/\u2024\u2024/outside.txt",
    "r/..\u2215outside.txt",
    "r/.\u200d./outside.txt",
    "r/plain.txt\0",
    "r/plain.txt\0.md",
    "r/\0/../../outside.txt",
    "r/plain.txt\n",
    "r/\r\n",
    "r/\ud800",
    "r/.hidden",
    "r/.git/config",
    "r/sub/.",
    "r/link-out.txt",
    "r/link-up/outside.txt",
    "r/link-up/served/plain.txt",
    "r/link-near/near.txt",
    "r/link-hidden.txt",
    "r/link-loop",
    "r/link-passwd",
    "r/link-null",
    "r/fifo.txt",
    "r/link-fifo.txt",
    "r/plain.txt/..",
    "r/plain.txt/x",
    "r/sub",
    "r",
    "r/missing.txt",
    "served-too/near.txt",
    "r-too/near.txt",
    "file:///etc/passwd",
    "r/" + "a" * 300,
    "r/" + "a/" * 600,
    "x" * 5000,
]


@pytest.mark.parametrize("path", ATTACKS)
def test_refuses_to_open(roots: Roots, base: Path, path: str) -> None:
    with pytest.raises(AccessError) as caught:
        content(roots, path)
    assert str(base) not in str(caught.value)
    assert len(str(caught.value)) < 500


PIECES = ["r", "..", ".", "", "sub", "deep", "plain.txt", "link-up", "link-near", "link-folder"]
PIECES.extend(["served", "served-too", "outside.txt", "near.txt", ".git", "config", "/", "\0"])


@given(
    st.lists(
        st.sampled_from(PIECES) | st.text(max_size=4),
        max_size=7,
    ),
    st.sampled_from(["/", "//", "\\", "/./", "\u2215"]),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_outside(roots: Roots, parts: list[str], joiner: str) -> None:
    for path in (joiner.join(parts), "r/" + joiner.join(parts)):
        try:
            text = content(roots, path)
        except AccessError:
            continue
        assert text in {"plain", "inner", "deepest", "decomposed"}


def test_a_listing_shows_no_hidden_files_and_no_ways_out(roots: Roots) -> None:
    names = {entry.path for entry in roots.folder("r")}
    assert names == {
        "r/plain.txt",
        "r/sub",
        "r/link-inside.txt",
        "r/link-absolute.txt",
        "r/link-folder",
        unicodedata.normalize("NFD", "r/übersicht.txt"),
    }


@pytest.mark.parametrize("path", ["r/link-up", "r/link-near", "r/.git", "r/..", "r/plain.txt", "x"])
def test_refuses_to_list(roots: Roots, path: str) -> None:
    with pytest.raises(AccessError):
        roots.folder(path)


def test_the_walk_meets_every_file_once_at_its_real_place(roots: Roots) -> None:
    paths = sorted(entry.path for entry in roots.files())
    assert paths == sorted(
        [
            "r/plain.txt",
            "r/sub/inner.txt",
            "r/sub/deep/deepest.txt",
            unicodedata.normalize("NFD", "r/übersicht.txt"),
        ]
    )


def test_a_folder_swapped_for_a_link_after_the_check_is_not_followed(
    roots: Roots, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack on checking a path and then opening it: swap in a link between the two."""
    real = os.path.realpath

    def realpath_then_swap(path: object, **options: bool) -> str:
        resolved = real(path, **options)  # type: ignore[call-overload]
        folder = base / "served" / "sub"
        if not folder.is_symlink():
            folder.rename(base / "moved")
            folder.symlink_to(base / "served-too")
        return str(resolved)

    (base / "served-too" / "inner.txt").write_text(SECRET)
    monkeypatch.setattr(os.path, "realpath", realpath_then_swap)
    with pytest.raises(AccessError):
        content(roots, "r/sub/inner.txt")


def test_a_unix_socket_is_no_document(roots: Roots, base: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(base / "served" / "s.txt"))
        with pytest.raises(AccessError):
            content(roots, "r/s.txt")
        assert "r/s.txt" not in {entry.path for entry in roots.folder("r")}


def test_a_missing_root_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gone"):
        Roots([RootSettings(name="gone", path=tmp_path / "gone")])


def test_roots_inside_one_another_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "a" / "b")
    for inner in (tmp_path / "a" / "b", tmp_path / "way", tmp_path / "a"):
        with pytest.raises(SettingsError, match="inside one another"):
            Roots(
                [
                    RootSettings(name="outer", path=tmp_path / "a"),
                    RootSettings(name="inner", path=inner, data_class="secret"),
                ]
            )
