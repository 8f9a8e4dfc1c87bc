"""`cgap-cl reproduce`: the runs of a cell, and one line on what came of them."""

import pytest

from cgap_bench.commands import reproduce
from cgap_bench.errors import UnknownNameError
from cgap_bench.record.store import write_record
from cgap_bench.show.cells.published import find_cell


def test_a_cell_becomes_the_runs_that_its_table_asks_for(tmp_path):
    cell = find_cell("hsu-mnist/class/replay")
    jobs = reproduce.request_of(cell, None, None, tmp_path, None).job_list()
    assert [job.config.seed for job in jobs] == list(range(10))
    config = jobs[0].config
    assert (config.benchmark, config.preset, config.method) == (
        "split-mnist",
        "class",
        "replay",
    )
    assert config.method_settings["memory"] == 1100


def test_runs_that_are_made_are_set_beside_the_published_number(
    tmp_path, monkeypatch, make_record
):
    def made(request):
        for job in request.job_list():
            record = make_record(job.config.method, job.config.seed, (0.195,) * 5)
            update = {"config": job.config, "run_id": job.run_id}
            write_record(record.model_copy(update=update), request.output)

    monkeypatch.setattr(reproduce, "run_benchmark", made)
    text = reproduce.reproduce_text("hsu-mnist/class/mas", None, None, tmp_path, None)
    assert text.startswith("hsu-mnist/class/mas (P-HSU): published 19.52 % (Hsu et al. 2018")
    assert text.endswith(
        "ours 19.50 ± 0.00 % over 10 runs, -0.02 points, tolerance 1.5: verified"
    )


def test_an_unknown_cell_offers_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown cell 'hsu-mnist/task/mass'"):
        reproduce.reproduce_text("hsu-mnist/task/mass", None, None, tmp_path, None)
