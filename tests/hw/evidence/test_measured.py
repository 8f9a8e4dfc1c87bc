"""Files of timed layers: what is wrong in them is named."""

import pytest

from cgap_hw import CostModelError
from cgap_hw.boards.catalogue import on_board
from cgap_hw.evidence.measured import read_measured


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "m.csv"
    head = (
        "accelerator,network,layer_name,layer_type,nif,nof,nix,niy,nox,noy,nkx,nky,stride,"
        "latency_ns\n"
    )
    for text, said in [
        ("a,b\n", "no column accelerator"),
        (head, "no rows"),
        (head + "zcu102,n,l,Sigmoid,1,1,1,1,1,1,1,1,1,5\n", "line 2: unknown layer_type"),
        (head + "zcu102,n,l,Conv,-1,1,1,1,1,1,1,1,1,5\n", "line 2: n_in: .* got -1"),
        (
            head + "zcu102,n,l,Conv,1,1,1,1,1,1,1,1,1,inf\n",
            "above 0 and at most 1e\\+12, got inf",
        ),
        (
            head + "zcu102,n,l,Conv,1,1,1,1,1,1,1,1,1,nan\n",
            "above 0 and at most 1e\\+12, got nan",
        ),
        (
            head + "zcu102,n,l,Conv,8,8,56,56,28,28,3,3,1,5\n",
            r"out_h=28 is less than in_h=56, kernel_h=3 and stride_h=1 give \(54\)",
        ),
        (
            head + "zcu102,n,l,MaxPool,8,8,56,56,28,20,2,2,2,5\n",
            r"out_h=20 is less than in_h=56, kernel_h=2 and stride_h=2 give \(28\)",
        ),
        (
            head + "zcu102,n,l,Conv,1,1,1,1,1,1,1,1,1,0\n",
            "latency_ns must be above 0 and at most",
        ),
        (
            head + "zcu102,n,l,Conv,x,1,1,1,1,1,1,1,1,5\n",
            "line 2: nif must be a whole number, got 'x'",
        ),
        (
            head + "zcu102,n,l,Conv,1,1,1,1,1,1,1,1,1,5 us\n",
            "latency_ns must be a number, got '5 us'",
        ),
    ]:
        path.write_text(text)
        with pytest.raises(CostModelError, match=said):
            read_measured(path)
    with pytest.raises(CostModelError, match="cannot read"):
        read_measured(tmp_path / "none.csv")
    with pytest.raises(CostModelError, match="unknown array 'm32x'"):
        on_board("m32x")
