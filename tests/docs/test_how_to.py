"""Recipes for clusters run as they stand on the page; its examples are those of the files."""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

import pytest

from cgap_bench.record.store import read_records

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to.md").read_text()
SETTINGS = [
    *("split-digits", "--methods", "fixed", "--set", "stream.n_experiences=2"),
    *("--set", "stream.n_train_per_class=10", "--set", "training.epochs=1"),
]


def blocks(language):
    """Program texts of the page in a language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def seeds(output):
    return sorted(record.config.seed for record in read_records(output))


@pytest.mark.slow
def test_the_slurm_array_does_one_seed_a_job(tmp_path):
    """The words of Slurm are comments to a shell; what it sets, we set."""
    (script,) = blocks("bash")
    assert "#SBATCH --array" in script
    command = tmp_path / "cgap-cl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cgap_bench "$@"\n')
    command.chmod(0o755)
    output = tmp_path / "results"
    for job in ("0", "3"):
        slurm = {"SLURM_ARRAY_TASK_ID": job, "SLURM_CPUS_PER_TASK": "1"}
        path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(
            ["bash", "-c", script, "array.sh", *SETTINGS, "--output", str(output)],
            env=os.environ | slurm | path,
            check=True,
        )
    assert seeds(output) == [0, 3]
    assert not (output / "tables").exists()  # made once, when all are done


@pytest.mark.slow
@pytest.mark.parametrize("dask", [False, True], ids=["joblib", "dask"])
def test_a_function_for_each_seed(dask, tmp_path):
    program, on_dask = (one for one in blocks("python") if "one_seed" in one)
    if dask:
        pytest.importorskip("distributed", reason="Dask is no dependency: pip install dask")
        head, _ = program.split("if __name__")
        client = "n_workers=2, threads_per_worker=1, dashboard_address=':0'"
        program = f'{head}if __name__ == "__main__":\n{indent(on_dask, "    ")}'
        program = program.replace("ADDRESS", client)
    script = tmp_path / "seeds.py"
    script.write_text(program)
    output = tmp_path / "results"
    command = [sys.executable, str(script), *SETTINGS, "--output", str(output)]
    subprocess.run(command, check=True)
    assert seeds(output) == [0, 1]


EXAMPLES = {path.name: path.read_text() for path in (ROOT / "examples").glob("own_*")}


def members(body):
    """Annotated attributes and public functions of a class, as they are written."""
    for node in body:
        if isinstance(node, ast.AnnAssign):
            yield node.target.id, ast.unparse(node.annotation)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            yield node.name, (marks, ast.unparse(node.args), ast.unparse(node.returns))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_on_the_page_is_the_file_and_short(name):
    text = EXAMPLES[name]
    shown = f"```{'toml' if name.endswith('toml') else 'python'}\n# {name}\n{text}```"
    assert shown in PAGE, f"docs/how-to.md should hold\n{shown}"
    lines = len(text.splitlines())
    if name.startswith("own_stream"):  # the function and its recipe
        lines = sum(len(EXAMPLES[f"own_stream.{one}"].splitlines()) for one in ("py", "toml"))
    assert lines < 30


def test_signatures_on_the_page_are_those_of_the_code():
    stubs = re.findall(r"```python\n# (cgap_bench\S+)\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(stubs) == 3
    for module, stub in stubs:
        source = ast.parse(Path(find_spec(module).origin).read_text())
        classes = {one.name: one for one in source.body if isinstance(one, ast.ClassDef)}
        for shown in ast.parse(stub).body:
            code, page = dict(members(classes[shown.name].body)), dict(members(shown.body))
            assert page == {name: code[name] for name in page}
            if shown.name != "Context":  # of which the page shows what most methods need
                assert code.keys() - page.keys() <= {"n_classes"}  # that nobody has to give
