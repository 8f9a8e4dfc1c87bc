"""The data of a run."""

import math
from pathlib import Path

import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.learn.images.reading import ensure_room
from cgap_bench.learn.streams import Stream, build_stream
from cgap_bench.record.configuration import LearningRateSchedule, RunConfig, Split


def stream_of(config: RunConfig, root: Path, memory: MemoryBudget | None = None) -> Stream:
    """The data of a run, cut.

    Args:
        config: The run.
        root: Data root.
        memory: What its images may take, else they stay in files; None: any amount.

    Raises:
        UsageError: They cannot be read, which damage may show only now, or an experience has no
            image for something that is asked for, or not even a few batches fit.
    """
    training = config.training
    most = None if memory is None else memory.on(torch.device(config.device))
    try:
        stream = build_stream(config.stream, training.holdout_share, config.seed, root, most)
    except (OSError, EOFError) as error:
        raise UsageError(
            f"cannot read the data of {config.stream.dataset}: {error}; put the files right, or"
            " point to others with --data-root"
        ) from error
    if most is not None and stream.in_files:
        largest = max(training.batch_size, training.eval_batch_size)
        ensure_room(most, math.prod(stream.input_shape), largest)
    watched = training.lr_schedule is LearningRateSchedule.PLATEAU
    scored = config.stream.score_on is Split.HELD_OUT
    if (watched or scored) and not all(map(len, stream.heldout)):
        raise UsageError(
            f"training.holdout_share={training.holdout_share} of an experience's images rounds"
            " to none, but they are asked for; a larger share, or more images"
        )
    return stream
