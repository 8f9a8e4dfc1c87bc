"""The command in surroundings that are not as usual: locale, folders, devices, full disks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.commands import run as commands
from cgap_bench.record.store import write_record
from cgap_bench.run.executors import server

COMMAND = [sys.executable, "-m", "cgap_bench"]
# Python neither changes the locale nor takes UTF-8 in its place.
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [*COMMAND, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        timeout=300,
        check=False,
    )


def test_a_locale_without_signs_and_a_folder_without_a_name_in_it(some_records, tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff[/b]\x1b[31m"))
    for record in some_records:
        write_record(record, folder)
    done = run("report", "--output", os.fsencode(folder), **PLAIN)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout
    assert b"a\\udcff[/b]\\x1b[31m/report.html" in done.stdout
    assert b"Traceback" not in done.stderr
    assert "±" in (folder / "tables" / "toy-standard.md").read_text(encoding="utf-8")
    checked = run("report", "--check", "--output", os.fsencode(folder), **PLAIN)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_takes_nothing_is_one_line():
    with open("/dev/full", "wb") as full:
        done = run("list", "boards", stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "Error: cannot write the output: No space left on device"
    ]


def test_an_output_that_is_closed_is_nothing_to_complain_of():
    command = f'"{sys.executable}" -m cgap_bench list boards >&-'
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, check=True, timeout=60)
    assert not done.stderr


def test_workers_start_where_no_socket_has_room(monkeypatch):
    monkeypatch.setattr(server.tempfile, "gettempdir", lambda: "/" + "t" * 85)
    assert server.context().get_start_method() == "spawn"
    monkeypatch.setattr(server.tempfile, "gettempdir", lambda: "/tmp")
    assert server.context().get_start_method() == "forkserver"


def test_the_server_begins_with_the_command_where_nothing_is_finished(
    monkeypatch, tmp_path, make_record
):
    begun = []
    monkeypatch.setattr(server, "begin", lambda: begun.append(1))
    monkeypatch.setattr(commands, "run_benchmark", lambda _: None)
    monkeypatch.setattr(commands, "dry_run", lambda _: "")
    words = ["run", "split-digits", "--output", str(tmp_path)]
    for more, n in ((["--dry-run"], 0), (["--methods", "ewk"], 0), ([], 1)):
        CliRunner().invoke(main, words + more)
        assert len(begun) == n
    write_record(make_record("fixed"), tmp_path)
    CliRunner().invoke(main, words)
    assert len(begun) == 1


def test_the_server_that_begins_early_is_the_one_that_workers_come_from():
    """And it is there before torch is: to import it takes as long as all the rest."""
    program = (
        "import sys; from cgap_bench.run.executors import server; server.begin();"
        "assert 'torch' not in sys.modules; from multiprocessing import forkserver;"
        "first = forkserver._forkserver._forkserver_pid; assert first;"
        "process = server.context().Process(target=int); process.start(); process.join();"
        "assert forkserver._forkserver._forkserver_pid == first; assert not process.exitcode"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.slow
def test_a_run_with_a_long_folder_for_temporary_files(tmp_path):
    folder = tmp_path / ("t" * 85)
    folder.mkdir()
    options = ("--methods", "fixed", "--jobs", "1", "--output", str(tmp_path / "out"))
    done = run("run", "split-digits", "--preset", "quick", *options, TMPDIR=str(folder))
    assert done.returncode == 0, done.stderr


def test_workers_find_every_method_imported_and_no_garbage_to_look_for_in_it():
    look = (
        "import gc, sys; names = 'methods.cgap', 'datasets.digits', 'networks.resnet';"
        "assert all(f'cgap_bench.learn.{name}' in sys.modules for name in names);"
        "assert gc.isenabled(); assert gc.get_freeze_count() > 100_000"
    )
    program = (
        "import sys; from cgap_bench.run.executors import server;"
        f"process = server.context().Process(target=exec, args=({look!r},));"
        "process.start(); process.join(); sys.exit(process.exitcode)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_runs_wait_for_nothing_that_only_tables_and_charts_need(tmp_path):
    program = (
        "import sys; from cgap_bench.cli import main; from cgap_bench.commands import run;"
        "run._execute = lambda *_: print([name in sys.modules for name in"
        " ('pandas', 'vl_convert', 'sklearn.datasets')]);"
        "main(['run', 'split-digits', '--methods', 'fixed', '--seeds', '0', '--output',"
        f" {str(tmp_path)!r}])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert "[False, False, False]" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("before", "words", "code", "freed"),
    [
        ("", ["list", "boards"], 0, False),
        ("", ["list", "bords"], 2, False),
        ("", ["tidy"], 0, False),
        ("import multiprocessing;", ["tidy"], 0, True),
    ],
)
def test_in_the_end_files_and_processes_are_tidied_up_and_memory_is_not(
    before, words, code, freed
):
    program = (
        f"{before}import sys, click; from cgap_bench.cli import main;"
        "kept = type('Kept', (), {'__del__': lambda _: print('freed')})();"
        "tidy = click.command('tidy')(lambda: __import__('atexit').register(print, 'tidied'));"
        f"main.add_command(tidy); sys.argv = ['cgap-cl', *{words!r}]; main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert ("freed" in done.stdout) == freed
    assert ("tidied" in done.stdout) == (words == ["tidy"])
    assert words[0] == "tidy" or "zcu104" in done.stdout or "boards" in done.stderr
