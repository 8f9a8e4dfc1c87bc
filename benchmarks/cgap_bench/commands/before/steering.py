"""Which board steers growth, where that is another one than the table's?"""

from cgap_bench.learn.method import METHODS
from cgap_bench.run.jobs import Job
from cgap_hw import load_board


def steered_elsewhere(jobs: list[Job], board: str) -> list[str]:
    """A line on each method that the costs of another board than the table's steer."""
    notes = []
    for config in (job.config for job in jobs):
        method = METHODS[config.method]
        steering = method.board(method.settings.model_validate(config.method_settings))
        if steering and load_board(steering) != load_board(board):
            notes.append(
                f"note: {steering} steers {config.method} ({config.method}.board); "
                f"the table is priced on {board} (--board)"
            )
    return list(dict.fromkeys(notes))
