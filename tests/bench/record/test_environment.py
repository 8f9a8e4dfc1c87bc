"""Facts of the machine name no path, user or host."""

import getpass
import platform

import torch

from cgap_bench.record.environment import describe_environment


def test_environment_names_no_path_user_or_host():
    text = str(describe_environment(torch.device("cpu")))
    assert "/" not in text.replace(str(torch.__version__), "")
    assert getpass.getuser() not in text
    assert platform.node() not in text
