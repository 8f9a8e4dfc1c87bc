"""Final accuracy on every task."""

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from cgap_bench.show.figures.look import STYLE, blank_figure, broken, label_size


def per_task(tasks: pd.DataFrame, title: str) -> Figure:
    """Final accuracy on every task by method, mean over seeds, as an annotated grid.

    Args:
        tasks: One row a (run, experience, task) (`derive.tasks_frame`).
        title: What was run.
    """
    final = tasks[tasks["experience"] == tasks["experience"].max()]
    grid = 100 * final.pivot_table(index="method", columns="task", values="accuracy")
    grid = grid.loc[grid.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    with mpl.rc_context(STYLE):
        width, height = label_size(grid.index)
        grid.index = grid.index.map(broken)
        size = (0.9 + width + 0.55 * grid.shape[1], 1.2 + max(0.36 * grid.shape[0], height))
        figure = blank_figure((max(size[0], 4.5), size[1]), title)

        axis = figure.subplots()
        sns.heatmap(
            grid,
            ax=axis,
            annot=True,
            fmt=".1f",
            cmap="viridis",
            linewidths=0.5,
            annot_kws={"size": 8},
            cbar_kws={"label": "final accuracy [%]"},
        )
        axis.set(xlabel="task", ylabel="")
        axis.tick_params(axis="y", rotation=0)
    return figure
