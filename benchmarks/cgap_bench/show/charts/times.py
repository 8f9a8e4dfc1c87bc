"""How long training took."""

import pandas as pd

from cgap_bench.show.charts.chart import Chart, Panel, thinned, thinned_note, told, value
from cgap_bench.show.charts.look import encoded, ordered
from cgap_bench.show.comparison import Comparison

ROW = 26  # pixels


def training_times(one: Comparison) -> Chart | None:
    """Seconds of training of every run, over all experiences.

    Returns:
        The chart, or None where no record holds times.
    """
    names = one.labels
    rows = [
        {
            "method": names[record.run_id],
            "seed": record.config.seed,
            "train_s": sum(record.timings["train_s"]),
            "device": record.environment.get("device", "unknown"),
        }
        for record in one.records
        if record.timings.get("train_s")
    ]
    if not rows:
        return None
    every = pd.DataFrame(rows)
    frame, averaged = thinned(every, "train_s"), "train_s"
    if len(frame) < len(every):
        averaged = "mean_s"  # of all runs
        means = every.groupby("method")["train_s"].mean()
        frame = frame.assign(mean_s=frame["method"].map(means))
    shown = ordered(frame["method"])
    y = {"field": "method", "type": "nominal", "title": None, "sort": shown}
    x = value("train_s", "training [s]", scale={"zero": True})
    colour = encoded(shown, shape=False)["color"] | {"legend": None}
    mean = {"x": x | {"field": averaged, "aggregate": "mean"}, "color": colour}
    each = {"x": x, "tooltip": told("method", "seed", "train_s", "device")}
    layers = [
        {"mark": {"type": "bar", "opacity": 0.55}, "encoding": mean},
        {"mark": {"type": "tick", "color": "gray", "thickness": 2}, "encoding": each},
    ]
    spec = {"encoding": {"y": y}, "layer": layers}
    return Chart(
        "times",
        "Training time",
        "Bars are means, ticks are runs; evaluation is not counted. Times compare only where"
        " all ran on one machine under the same load." + thinned_note(frame, every),
        frame,
        (Panel("", spec, height=30 + ROW * len(shown), width=480),),
        wide=True,
    )
