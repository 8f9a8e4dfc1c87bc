"""The one loop over experiences: learn, measure, and hand back a record."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

from cgap_bench.errors import DivergedError
from cgap_bench.export.kept import Inputs, keep_network, some_of
from cgap_bench.learn.batches import BatchSource, TensorStrategy, TrainingWatch
from cgap_bench.learn.context import Context
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.learn.method import learner_of
from cgap_bench.learn.state import packed, state_of, take_up
from cgap_bench.learn.streams import Stream
from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.environment import describe_environment
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import (
    BEFORE,
    BY_BATCH,
    IN_8_BITS,
    UNTRAINED,
    Outcome,
    Record,
)
from cgap_bench.run.keeper import Keeper
from cgap_bench.run.logs.listener import Listener, Scores
from cgap_bench.run.reference import Reference
from cgap_bench.run.results import Results
from cgap_bench.run.stream import stream_of


def train(
    config: RunConfig,
    root: Path,
    reference: Reference | None = None,
    listener: Listener | None = None,
    keeper: Keeper | None = None,
    networks: Path | None = None,
) -> Record:
    """Run one method over one stream with one seed.

    Args:
        config: The resolved configuration.
        root: Data root.
        reference: For methods that are sized by the CGaP run of the same seed.
        listener: Hears how far it is.
        keeper: Keeps what the run is about, and knows where an earlier process was; None: all
            is lost if the process ends.
        networks: Folder to keep the networks of all tasks in; None: they are not kept.
    """
    memory = None if keeper is None else keeper.setting.memory
    run = Run(config, root, reference, listener, keeper, memory)
    if keeper is not None:
        keeper.take_up(run)
    try:
        while run.next_experience < run.n_experiences:
            run.step()
            if keeper is not None:
                keeper.after_experience()
    except DivergedError as error:
        n = run.next_experience + 1
        return run.record(Outcome(experience=n, epoch=error.epoch, batch=error.batch))
    if networks is not None:
        run.keep_networks(networks)
    return run.record()


class Run:
    """One run at any moment: all that its next batch and its record depend on hangs here.

    Two things lie outside, since torch and Avalanche read them where they are: the global
    generators of torch, numpy and random, which are seeded when a run is made. A process
    therefore makes one run at a time.

    Args:
        config: The resolved configuration.
        root: Data root.
        reference: The CGaP run that it is sized by, if any.
        listener: Hears how far it is.
        watch: Looks on in training.
        memory: What its images may take, else they stay in files; None: any amount.

    Attributes:
        n_images: Training images so far.
        data_digest: Hash of the training images.
        context: Stream, source of batches (its generator: `context.source.generator`), device.
        learner: The method at work: networks, structure, and in `learner.strategy` the model,
            optimizer, plugins and place in Avalanche's loop.
        results: What was measured after each experience that is finished.
    """

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        reference: Reference | None = None,
        listener: Listener | None = None,
        watch: TrainingWatch | None = None,
        memory: MemoryBudget | None = None,
    ) -> None:
        _seed_everything(config.seed)
        self.config, self.reference = config, reference
        self.n_images, self._listener = 0, listener or Listener()
        stream = stream_of(config, root, memory)
        self.data_digest = stream.train.digest()
        self.context = replace(
            context_of(config, stream, reference),
            tell=self._tell,
            means=self._listener.wants_means,
            watch=watch or TrainingWatch(),
        )

        self.learner = learner_of(self.context)
        self._one_loop = self.learner.strategy is not None
        self.results = Results(self.context)

    def count_images(self, n: int) -> None:
        """So many more training images."""
        self.n_images += n
        self._listener.images(n)

    def _tell(self, what: int | Standing) -> None:
        """Called in training."""
        if isinstance(what, int):
            self.count_images(what)
            return
        n = self.next_experience + 1
        where = replace(what, experience=n, n_experiences=self.n_experiences)
        if where.whole_epoch:
            self._listener.epoch(where, self.n_images, self.learner.history)
        else:
            self._listener.standing(where)

    @property
    def n_experiences(self) -> int:
        """In all."""
        return self.context.stream.n_experiences

    @property
    def next_experience(self) -> int:
        """How many experiences are finished."""
        return len(self.results.accuracy)

    def step(self) -> None:
        """Learn one more experience, then measure all tasks so far.

        Raises:
            DivergedError: Training went to where no numbers are.
        """
        experience = self.context.stream.benchmark.train_stream[self.next_experience]
        if not self.next_experience:
            self.results.measure_untrained(self.learner)
        try:
            with self.results.timed("train_s"):
                self.learner.learn(experience)
            with self.results.timed("evaluate_s"):
                self.results.measure(self.learner)
        except (ArithmeticError, ValueError, RuntimeError) as error:
            strategy = self.learner.strategy
            if strategy is None or _finite(strategy):
                raise
            # whatever was made of weights that are no numbers failed in its own words
            raise strategy.diverged() from error
        finally:
            self.context.training_macs.stop()
        self._listener.experience(self._scores(), self.n_images, self.learner.history)

    def _scores(self) -> Scores:
        rows, labels = self.results.accuracy, self.context.stream.task_labels
        return Scores(len(rows) - 1, rows, labels, self.results.stored_parameters[-1])

    def keep_networks(self, folder: Path) -> None:
        """Write what one inference of each task executes, once the last is finished."""
        stream = self.context.stream
        mean, std = stream.train.mean_and_std or (None, None)
        for task, label in enumerate(stream.task_labels):
            network = self.learner.network_for(label)
            if network is None:
                continue
            facts = {"shape": stream.input_shape, "mean": mean, "std": std}
            inputs = Inputs.of(facts | {"classes": stream.told_classes(task)})
            images = some_of(stream.scored[task])
            keep_network(network.eval(), inputs, images, folder, task + 1)

    def record(self, outcome: Outcome | None = None) -> Record:
        """What came out, once the last experience is finished or training diverged."""
        depends_on = self.reference.run_id if self.reference else None
        results, environment = self.results, describe_environment(self.context.device)
        environment["images"] = "in files" if self.context.stream.in_files else "in memory"

        return Record(
            run_id=run_id(self.config, depends_on),
            config=self.config,
            environment=environment,
            timings=results.timings,
            depends_on=depends_on,
            accuracy=results.accuracy,
            accuracy_8bit=results.rows[IN_8_BITS],
            accuracy_by_batch=results.rows[BY_BATCH],
            accuracy_untrained=results.rows[UNTRAINED],
            accuracy_before=results.rows[BEFORE],
            n_test=[len(dataset) for dataset in self.context.stream.scored],
            networks={key: results.networks[key] for key in results.measured_networks},
            subnetworks=results.subnetworks,
            stored_parameters=results.stored_parameters,
            training_macs=results.training_macs,
            macs_beside=results.macs_beside,
            history=self.learner.history,
            extra=self.learner.extra | self._names,
            classes=[list(group) for group in self.context.stream.classes],
            outcome=outcome,
        )

    @property
    def _names(self) -> dict[str, Any]:
        """Of the classes, where the data name them."""
        names = self.context.stream.class_names
        return {"class_names": list(names)} if names else {}

    # -- to go on in another process -------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Between experiences: all that the following ones and the record depend on."""
        strategy = self.learner.strategy if self._one_loop else None
        return {
            "results": state_of(self.results),
            "learner": state_of(self.learner),
            "strategy": None if strategy is None else strategy.state_dict(),
            "generators": packed(self._generators()),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`, for a run that has just been made."""
        take_up(self.results, saved["results"])
        take_up(self.learner, saved["learner"])
        if self.learner.strategy is not None:
            take_up(self.learner.strategy, saved["strategy"])
        self._set_generators(saved["generators"])

    def inside(self, strategy: TensorStrategy) -> dict[str, Any]:
        """Before a training batch: all that the rest of the experience depends on."""
        clock = strategy.clock
        return {
            "strategy": strategy.state_dict(),
            "generators": packed(self._generators()),
            "train_s": self.results.elapsed_s,
            "clock": {"epoch": clock.train_exp_epochs, "batch": clock.train_epoch_iterations},
        }

    def go_inside(self, strategy: TensorStrategy, saved: Mapping[str, Any]) -> None:
        """Counterpart of `inside`, once the strategy has prepared the same experience."""
        take_up(strategy, saved["strategy"])
        self._set_generators(saved["generators"])
        self.results.elapsed_s = saved["train_s"]

    def _generators(self) -> dict[str, Any]:
        _, keys, position, has_gauss, cached = np.random.get_state()
        return {
            "python": random.getstate(),
            "numpy": [torch.from_numpy(np.array(keys)), position, has_gauss, cached],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.config.device == "cuda" else [],
            "source": self.context.source.generator.get_state(),
        }

    def _set_generators(self, saved: Mapping[str, Any]) -> None:
        keys, *rest = saved["numpy"]
        random.setstate(saved["python"])
        np.random.set_state(("MT19937", keys.numpy(), *rest))
        torch.set_rng_state(saved["torch"])
        if saved["cuda"]:
            torch.cuda.set_rng_state_all(saved["cuda"])
        self.context.source.generator.set_state(saved["source"])


def _finite(strategy: TensorStrategy) -> bool:
    """Whether all that a network consists of are numbers, their gradients too."""
    tensors = (*strategy.model.parameters(), *strategy.model.buffers())
    gradients = (x.grad for x in strategy.model.parameters() if x.grad is not None)
    return all(bool(torch.isfinite(x).all()) for x in (*tensors, *gradients))


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def context_of(config: RunConfig, stream: Stream, reference: Reference | None) -> Context:
    """What a method gets to work with; nobody is told of its training yet."""
    store = stream.train.to(torch.device(config.device))
    generator = Generator().manual_seed(config.seed)
    training = config.training
    source = BatchSource(store, training.augment, generator, training.memory_format)
    if reference is None:
        return Context(config, stream, source)
    return Context(
        config,
        stream,
        source,
        reference.macs,
        reference.widths,
        target_stored=reference.stored,
        target_peak=reference.peak,
        target_training_macs=reference.training_macs,
    )
