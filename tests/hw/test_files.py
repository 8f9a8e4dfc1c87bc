"""A file is read within limits, and written in full or not at all."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cgap_hw import files
from cgap_hw.files import UnreadableError, read_json, read_text, read_toml, write_atomically


def test_it_makes_its_folder_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a" / "b" / "file.pt"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_what_fails_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, step):
    path = tmp_path / "file.pt"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_kernel_may_take_less_than_it_is_given(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda handle, data: real(handle, data[:3]))
    write_atomically(tmp_path / "file", b"0123456789")
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            files.os,
            name,
            lambda *a, _real=real, _name=name: (steps.append(_name), _real(*a)),
        )
    write_atomically(tmp_path / "file.pt", b"x")
    assert steps[:2] == ["fsync", "replace"]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_a_colleague_can_read_it_as_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_what_a_killed_writer_left_is_removed_and_a_live_one_is_left_alone(tmp_path):
    """One process dies in the middle of writing, another is at it."""
    program = (
        "import os, sys, time; from pathlib import Path; from cgap_hw import files\n"
        "path = Path(sys.argv[1])\n"
        "files._write_all = lambda *_: (print(flush=True), time.sleep(60))\n"
        "files.write_atomically(path, b'theirs')\n"
    )
    path = tmp_path / "file"
    command = [sys.executable, "-c", program, str(path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            writer.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 2
        writers[0].kill()
        writers[0].wait()
        write_atomically(path, b"ours")
        assert path.read_bytes() == b"ours"
        assert len(list(tmp_path.iterdir())) == 2  # ours, and the one being written
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


@pytest.mark.parametrize("name", ["../out", "sub/../../out", "link/out", "linked-file"])
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    inside, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    (inside / "link").symlink_to(elsewhere)
    (elsewhere / "target").write_text("theirs")
    (inside / "linked-file").symlink_to(elsewhere / "target")
    with pytest.raises(OSError, match="it leads out of"):
        write_atomically(inside / name, b"x", within=inside)
    assert (elsewhere / "target").read_text() == "theirs"
    assert [path.name for path in elsewhere.iterdir()] == ["target"]
    assert not (tmp_path / "out").exists()


def test_links_within_the_folder_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link" / "file", b"x", within=tmp_path)
    assert (tmp_path / "real" / "file").read_bytes() == b"x"
    assert (tmp_path / "link").is_symlink()


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("folder", "pipe", "circle"):
        with pytest.raises(OSError, match=r"directory|no regular file|symbolic links"):
            write_atomically(tmp_path / name, b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(OSError, match="no regular file"):
        write_atomically(files.Path("/dev/full"), b"x")


DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b"[" * DEEP, "nested deeper than 60"),
        (b"[" * 100 + b"]" * 100, "nested deeper than 60"),
        (b'{"n": ' + b"1" * 5000 + b"}", "digits"),
        (b'{"n": ' + b"1" * 500 + b"}", "n is a number of 1658 bits; at most 63"),
        (b'{"a": [1, 1e400]}', "a is inf, not a finite number"),
        (b'{"a": NaN}', "a is nan, not a finite number"),
        (b"{}\0", "Extra data"),
        (b"", "Expecting value"),
        (b" " * (files.MOST_BYTES + 1), "larger than 64 MiB"),
    ],
)
def test_unreadable_json_is_one_line(tmp_path, content, words):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=words) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


ODD = ("1e400", "1E400", "-1e+400", "1.5e0400", "NaN", "-Infinity", "9" * 19, "1" + "0" * 400)
FINE = ("1e-400", "1e99", "0.1", "9" * 18, '"7e923"', '"e400 "', "true", "[]", "{}")


@pytest.mark.parametrize("value", ODD + FINE)
@pytest.mark.parametrize(
    "around", ["{}", "[{}]", "[1,{}\n, 2]", '{{"a":{}}}', '{{"a": [{} ]}}']
)
def test_what_is_read_quickly_is_what_a_full_look_says(value, around):
    """What is told harmless from its text has nothing that a look at all values finds."""
    text = around.format(value)
    said = files._problem(json.loads(text))
    assert bool(said) == (value in ODD)
    assert not (said and files._harmless(text))


@pytest.mark.parametrize("depth", [1, 59, 60, 61, 100])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_depth_is_told_from_the_brackets(depth, pair):
    inner = '{"a":' if pair == "{}" else "["
    text = inner * depth + "1" + pair[1] * depth
    assert files._harmless(text) is (depth <= files.MOST_DEPTH)
    assert bool(files._problem(json.loads(text))) is (depth > files.MOST_DEPTH)
    assert not files._harmless('"[" ')  # who knows: a full look tells


def test_a_file_of_an_ordinary_record_is_told_harmless():
    """Else thousands of them take twice as long."""
    record = {"run_id": "7e9239e12345", "accuracy": [[0.5, None], [1e-05, 1.0]], "n": 2**59}
    assert files._harmless(json.dumps(record, indent=1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"a = " + b"[" * 1500, "nested deeper than 60"),
        (b"a = " + b"[\n" * DEEP, "nested deeper than 60"),
        (b".".join([b"a"] * 20_000) + b" = 1", "line 1 is longer than 2,000 characters"),
        (b".".join([b"a"] * 500) + b" = 1", "nested deeper than 60"),
        (b"a = " + b"1" * 5000, "line 1 is longer"),
        (b"a = " + b"1" * 500, "a is a number of 1658 bits"),
        (b"a = inf", "a is inf, not a finite number"),
        (b"a = 1e400", "a is inf, not a finite number"),
        (b"a = '\0'", "(Illegal|invalid) character"),
        (b"#" * (files.MOST_TOML_BYTES + 1), "larger than 0.25 MiB"),
    ],
)
def test_unreadable_toml_is_one_line_soon(tmp_path, content, words):
    path = tmp_path / "file.toml"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(UnreadableError, match=words) as caught:
        read_toml(path)
    assert time.monotonic() - started < 10
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it
    for path in (tmp_path / "pipe", tmp_path, files.Path("/dev/zero")):
        with pytest.raises(UnreadableError, match=r"no regular file|Is a directory"):
            read_text(path)
    with pytest.raises(UnreadableError, match="No such file"):
        read_text(tmp_path / "absent")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no files of unknown size")
def test_a_file_whose_system_tells_no_size_is_read_whole():
    assert Path("/proc/self/status").stat().st_size == 0
    assert b"voluntary_ctxt_switches" in files.read_bytes(Path("/proc/self/status"))
    with pytest.raises(files.UnreadableError, match="larger than"):
        files.read_bytes(Path("/proc/self/status"), 10)
