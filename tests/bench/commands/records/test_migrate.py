"""`cgap-cl migrate`: what is said before, while and after records are rewritten."""

import shutil
from pathlib import Path

OLD = Path(__file__).parents[2] / "record" / "schema2"


def test_old_records_are_rewritten_and_then_read(run, tmp_path):
    shutil.copytree(OLD, tmp_path / "runs")
    before = run("report", "--output", tmp_path)
    assert before.exit_code == 2
    assert "`cgap-cl migrate FOLDER`" in before.output
    assert len(before.output.splitlines()) == 1
    assert run("migrate", tmp_path).output.startswith("7 records of ")
    assert run("migrate", tmp_path).output.endswith("is of the present schema\n")
    (path,) = (p for p in (tmp_path / "runs").glob("*/*.json") if '"ewc"' in p.read_text())
    assert run("cost", path).output.startswith("ewc, task 1 on zcu104")


def test_a_folder_without_records_is_named(run, tmp_path):
    result = run("migrate", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {tmp_path / 'nowhere'} holds no records")
