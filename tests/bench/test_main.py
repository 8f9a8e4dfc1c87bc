"""The command line without its script."""

import subprocess
import sys


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "cgap_bench", "list", "boards"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "zcu104" in done.stdout
