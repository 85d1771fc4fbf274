"""Long lists are made searchable once, in a file that is trusted only whole, and find what short ones find."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend_adapter.egress.known.cached import stored
from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.forms import Kind, forms
from backend_adapter.egress.known.lists import read_dictionary
from backend_adapter.egress.known.stored import DamagedError, Stored
from backend_adapter.egress.known.storing import Writing
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError

SYLLABLES = ("an", "na", "lan", "ge", "mül", "ler", "weiß", "jö", "rg", "ho", "fe", "rn")


def listed(path: Path, values: list[str], kind: Kind = "person") -> DictionarySettings:
    path.write_text("\n".join(values), encoding="utf-8")
    return DictionarySettings(path=path, kind=kind)


def people(number: int) -> list[str]:
    chance = random.Random(number)
    return [
        " ".join(
            "".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))).title() for _ in range(2)
        )
        for _ in range(number)
    ]


def written(path: Path, values: list[Value]) -> Stored:
    file = BytesIO()
    writing = Writing(file)
    for each in values:
        writing.add(each.kind, each.text, forms(each.kind, each.text))
    writing.finish()
    path.touch(mode=0o600)
    path.write_bytes(file.getvalue())
    return Stored(path)


WORD = st.sampled_from([*SYLLABLES, "Anna", "Lang", "A", "4711", "04", "0351", "Eva"])
VALUE = st.builds(
    Value,
    st.sampled_from(["person", "text", "code", "phone", "email", "secret"]),
    st.lists(WORD, min_size=1, max_size=4).flatmap(
        lambda words: st.sampled_from([" ", "-", ", ", "@"]).map(lambda mark: mark.join(words))
    ),
)


@given(
    st.lists(VALUE, max_size=30),
    st.lists(st.one_of(WORD, st.sampled_from([", ", " ", "-", "s ", "\n", "é"])), max_size=60),
)
def test_a_stored_dictionary_finds_what_one_in_memory_finds(
    tmp_path_factory: pytest.TempPathFactory, values: list[Value], words: list[str]
) -> None:
    text = " ".join(words) + " ".join(each.text for each in values[::2])
    kept = written(tmp_path_factory.mktemp("stored") / "values.index", values)
    assert list(kept) == values
    assert Dictionary.indexed(kept, kept).find(text) == Dictionary(values).find(text)


def test_values_are_counted_from_both_ends(tmp_path: Path) -> None:
    values = [Value("person", "Anna Lang"), Value("code", "4711"), Value("person", "Jörg")]
    kept = written(tmp_path / "values.index", values)
    assert (kept[0], kept[-1], kept[1:]) == (values[0], values[2], values[1:])
    for beyond in (3, -4):
        with pytest.raises(IndexError):
            kept[beyond]


def test_of_two_values_with_one_form_the_first_is_it(tmp_path: Path) -> None:
    values = [
        Value("person", "Anna"),
        Value("person", "MÜLLER Anna"),
        Value("text", "Anna Mueller"),
    ]
    for dictionary in (
        Dictionary(values),
        Dictionary.indexed(kept := written(tmp_path / "values.index", values), kept),
    ):
        [match] = dictionary.find("Frau Anna Müller")
        assert (match.value, match.kind) == ("MÜLLER Anna", "person")


def test_a_second_start_finds_what_the_first_has_made(tmp_path: Path) -> None:
    names = people(30_000)
    settings, cache = (listed(tmp_path / "people.txt", names),), tmp_path / "cache"
    said = list[str]()
    first = read_dictionary(settings, cache, said.append)
    assert said[-1].startswith("30,000 values read")
    [file] = cache.glob("*.index")
    assert (file.stat().st_mode & 0o777, cache.stat().st_mode & 0o777) == (0o600, 0o700)
    made = file.stat()

    said.clear()
    second = read_dictionary(settings, cache, said.append)
    assert said == []
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    text = f"Akte {names[7]}s, {names[-1].upper()}"
    assert [each.value for each in first.find(text)] == [names[7], names[-1]]
    assert second.find(text) == first.find(text)


def test_a_changed_list_is_made_anew_and_nothing_of_the_one_before_stays(tmp_path: Path) -> None:
    path, cache = tmp_path / "people.txt", tmp_path / "cache"
    before = stored((listed(path, ["Anna Lang", "Jörg Weißmüller"]),), cache, print)
    after = stored((listed(path, ["Jörg Weißmüller"]),), cache, print)
    [file] = cache.glob("*.index*")
    assert b"Anna" not in file.read_bytes()
    # Whoever still uses the one before goes on doing so.
    assert Dictionary.indexed(before, before).find("Anna Lang") != []
    assert Dictionary.indexed(after, after).find("Anna Lang") == []
    # The same lines as another kind are other values.
    said = list[str]()
    stored((DictionarySettings(path=path, kind="text"),), cache, said.append)
    assert said != []


@given(st.floats(0, 1), st.sampled_from(["changed", "cut", "longer"]))
@example(0, "cut")
@example(1, "changed")
def test_only_a_whole_file_is_trusted(
    tmp_path_factory: pytest.TempPathFactory, at: float, harm: str
) -> None:
    path = tmp_path_factory.mktemp("harmed") / "values.index"
    written(path, [Value("person", "Anna Lang"), Value("code", "4711")])
    whole = path.read_bytes()
    place = int(at * (len(whole) - 1))
    changed = whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :]
    path.write_bytes(
        {"changed": changed, "cut": whole[:place], "longer": whole + whole[place:]}[harm]
    )
    with pytest.raises(DamagedError):
        Stored(path)


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    settings = (listed(tmp_path / "people.txt", ["Anna Lang", "Jörg Weißmüller"]),)
    stored(settings, tmp_path, print)
    [file] = tmp_path.glob("*.index")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    said = list[str]()
    found = stored(settings, tmp_path, said.append)
    assert "not what was written" in said[0]
    assert file.read_bytes() == whole
    assert Dictionary.indexed(found, found).find("Anna Lang") != []


def test_a_file_that_others_may_change_is_made_anew(tmp_path: Path) -> None:
    settings = (listed(tmp_path / "people.txt", ["Anna Lang"]),)
    stored(settings, tmp_path, print)
    [file] = tmp_path.glob("*.index")
    file.chmod(0o620)
    said = list[str]()
    stored(settings, tmp_path, said.append)
    assert "others may" in said[0]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_process_left_that_was_ended_is_in_nobodys_way(tmp_path: Path) -> None:
    settings = (listed(tmp_path / "people.txt", ["Anna Lang"]),)
    (tmp_path / "dictionary-00.index.part").write_bytes(b"Anna")
    stored(settings, tmp_path, print)
    assert list(tmp_path.glob("*.part")) == []


def test_without_a_folder_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    found = stored((listed(tmp_path / "people.txt", ["Anna Lang"]),), None, print)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert Dictionary.indexed(found, found).find("Anna Lang") != []


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"Anna Lang\nx\n", "person", "line 2: a value of 1 characters is no person"),
        (b"1987-03-05\n5.3.1987\n", "date", "line 2: .* is no date"),
        (b"Anna Lang\nJ\xf6rg\n", "person", "UTF-8"),
        (None, "person", "No such file"),
    ],
)
def test_a_long_list_that_cannot_be_used_is_refused_whole(
    content: bytes | None, kind: Kind, said: str, tmp_path: Path
) -> None:
    path, cache = tmp_path / "list.txt", tmp_path / "cache"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said) as refused:
        stored((DictionarySettings(path=path, kind=kind),), cache, print)
    # What is in it is nobody's business, and nothing of it stays.
    assert not {"Anna", "rg", "5.3"} & set(str(refused.value).split())
    assert list(cache.glob("*.index*")) == []


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SettingsError, match="cannot be kept in"):
        stored((listed(tmp_path / "people.txt", ["Anna Lang"]),), tmp_path / "cache", print)


def test_a_process_that_is_ended_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    settings, cache = (listed(tmp_path / "people.txt", people(100_000)),), tmp_path / "cache"

    def end_it(line: str) -> None:
        if line == "The lists are read.":
            [child] = [pid for pid in children() if str(cache).encode() in command(pid)]
            os.kill(child, signal.SIGKILL)

    with pytest.raises(SettingsError, match="ended with status -9"):
        stored(settings, cache, end_it)
    assert list(cache.glob("*.index")) == []


def children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_processes_that_start_together_make_one_file(tmp_path: Path) -> None:
    listed(tmp_path / "people.txt", people(30_000))
    program = (
        "import sys; from pathlib import Path\n"
        "from backend_adapter.egress.known.lists import read_dictionary\n"
        "from backend_adapter.egress.settings import DictionarySettings\n"
        "folder = Path(sys.argv[1])\n"
        "settings = (DictionarySettings(path=folder / 'people.txt', kind='person'),)\n"
        "found = read_dictionary(settings, folder / 'cache', lambda line: print(line))\n"
        "print(len(found.values))\n"
    )
    ran = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate()[0].splitlines() for process in ran]
    assert [lines[-1] for lines in said] == ["30000"] * 3
    assert sum(any("put in order" in line for line in lines) for lines in said) == 1


def test_this_process_grows_little_while_a_long_list_is_made_searchable(tmp_path: Path) -> None:
    names = people(100_000)
    settings = (listed(tmp_path / "people.txt", names),)
    text, size = names[5], sum(map(len, names))
    del names
    gc.collect()
    tracemalloc.start()
    dictionary = read_dictionary(settings, tmp_path / "cache")
    assert len(dictionary.find(text)) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # In Python's memory there are not even the letters of the values.
    assert peak < size


def test_threads_search_at_the_same_time(tmp_path: Path) -> None:
    names = people(2_000)
    kept = written(tmp_path / "values.index", [Value("person", name) for name in names])
    texts = [f"{a} und {b}s {'Wort ' * 20}" for a, b in pairwise(names)]
    for dictionary in (Dictionary(kept), Dictionary.indexed(kept, kept)):
        expected = [dictionary.find(text) for text in texts[:300]]
        barrier = threading.Barrier(4)

        def search(searched: Dictionary, met: threading.Barrier) -> list[object]:
            met.wait()
            return [searched.find(text) for text in texts[:300]]

        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(search, dictionary, barrier) for _ in range(4)]
            assert all(result.result() == expected for result in results)


def test_a_place_in_a_long_text_is_exact() -> None:
    names = people(50)
    filler = "Über die Straße, „hinaus“ – oe\u0308 \u200b!  " * 70
    text = "".join(f"{filler}{name}s {filler.strip()}" for name in names)
    matches = Dictionary(Value("person", name) for name in names).find(text)
    assert [text[each.start : each.end] for each in matches] == names
