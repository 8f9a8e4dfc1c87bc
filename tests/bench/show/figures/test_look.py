"""The common look: methods told apart, everything inside the picture, files alike."""

from xml.etree import ElementTree

from cgap_bench.show import derive, tables
from cgap_bench.show.figures import over_experiences, per_task, save, trade_off
from cgap_bench.show.figures.look import looks_of
from cgap_hw import load_board


def test_a_long_title_stays_inside_the_picture(some_records):
    title = "a-benchmark, preset of-a-long-name, scored on held-out training images"
    figure = per_task(derive.tasks_frame(some_records), title)
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_many_methods_of_long_names_leave_the_panels_their_room(make_record):
    """An ablation: every panel keeps its size, and the legend is inside the picture."""
    records = []
    for name in (f"a_rather_long_setting={k} and_another_setting={k}" for k in range(25)):
        for seed in (0, 1):
            record = make_record("cgap", seed, method_settings={"variant": name})
            config = record.config.model_copy(update={"variant": name})
            records.append(record.model_copy(update={"config": config}))
    frame = derive.runs_frame(records, derive.Platform(load_board("zcu102")))
    summary, tasks = tables.summarise(frame), derive.tasks_frame(records)
    assert len(summary) == 25
    for figure, width in (
        (trade_off(summary, "toy"), 2.0),
        (over_experiences(tasks, "toy"), 4.0),
        (per_task(tasks, "toy"), 1.0),
    ):
        figure.canvas.draw()
        assert figure.axes[0].get_window_extent().width > width * figure.dpi
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_no_two_methods_look_alike():
    looks = looks_of([f"method{k}" for k in range(40)]).values()
    assert len({(look["color"], look["marker"]) for look in looks}) == 40


def test_a_method_looks_alike_in_every_figure():
    few, many = looks_of(["warm", "cgap"]), looks_of(["ewc", "warm", "cgap", "mine"])
    assert few["warm"] == many["warm"]
    assert few["cgap"] == many["cgap"]


def test_files_are_readable_and_reproducible(summary, tmp_path):
    once = save(trade_off(summary, "toy"), tmp_path / "a.svg")
    again = save(trade_off(summary, "toy"), tmp_path / "b.svg")
    assert [path.suffix for path in once] == [".svg", ".png"]
    assert once[0].read_bytes() == again[0].read_bytes()
    assert ElementTree.parse(once[0]).getroot().tag.endswith("svg")
    assert once[1].read_bytes().startswith(b"\x89PNG")
