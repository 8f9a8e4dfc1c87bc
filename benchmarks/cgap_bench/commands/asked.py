"""Which runs a user asked for: recipe, preset and options -> jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cgap_bench.commands.before.first_look import ALONE, DEVICES, VARIANTS, WITH, Words
from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.datasets.named import find_dataset
from cgap_bench.learn.method import check_scenario
from cgap_bench.learn.network import network_factory
from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.jobs import Job, job_of, jobs_of, method_names, with_references
from cgap_bench.run.keys import SECTIONS
from cgap_bench.run.own.fingerprints import Fingerprints
from cgap_bench.run.recipe import Recipe, load_recipe, origin_of
from cgap_bench.run.resolver import resolve, variants
from cgap_bench.run.search.tuned import read_tuned
from cgap_bench.run.seeds import parse_seeds
from cgap_hw import load_board

ConfigOf = Callable[[str, int], RunConfig]

OF_RECIPE = "recipe"  # variant of runs beside those with what a search found


@dataclass(frozen=True)
class Asked(Words):
    """What says which runs there are, of all that a user typed behind `cgap-cl run`."""

    board: str = "zcu104"
    data_root: Path | None = None
    tuned: Path | None = None

    def job_list(self) -> list[Job]:
        """The jobs it takes.

        Raises:
            UsageError: Something asked for is unknown or out of range.
        """
        check_device(self.device)
        if self.variants not in VARIANTS:
            raise UnknownNameError("variants", self.variants, VARIANTS)
        load_board(self.board)
        benchmark, recipe = load_recipe(self.benchmark)
        orders = self.orders or recipe.preset(self.preset)[1].orders
        ordered = [(f"stream.order_seed={n}",) for n in parse_seeds(orders)] if orders else [()]
        overrides = (*self._named_network(), *self.overrides)
        jobs = [
            job
            for order in ordered
            for job in self._jobs_in(benchmark, recipe, (*overrides, *order))
        ]
        self._check(jobs)
        return jobs

    def _jobs_in(self, benchmark: str, recipe: Recipe, overrides: tuple[str, ...]) -> list[Job]:
        """The jobs of one order of classes."""
        tuned = read_tuned(self.tuned) if self.tuned else None
        resolver = resolve(benchmark, recipe, self.preset, overrides, self.device, tuned)
        methods = method_names(self.methods) if self.methods else list(resolver.overlay.methods)
        seeds = parse_seeds(self.seeds or resolver.overlay.seeds)

        varied = variants(benchmark, recipe, self.preset, overrides, self.device, tuned)
        marked = self._marker(recipe)
        config_of = marked(resolver.config)
        of_variants = [
            job_of(marked(made.config)(method, seed), config_of)
            for method, made in varied
            if method in methods
            for seed in seeds
        ]
        if self.variants == ALONE:
            if not of_variants:
                raise UsageError(f"--variants {ALONE}: the preset has none of these methods")
            return with_references(of_variants)

        jobs = jobs_of(config_of, methods, seeds)
        jobs += of_variants if self.variants == WITH else []
        beside = [name for name in methods if resolver.is_tuned(name) and not self.tuned]
        if beside:  # each with the recipe's own settings too, unless those were the best
            plain = resolve(benchmark, recipe.untuned(), self.preset, overrides, self.device)
            known = {job.run_id for job in jobs}
            recipes = jobs_of(marked(plain.named(OF_RECIPE).config), beside, seeds)
            jobs += [job for job in recipes if job.run_id not in known]
        return jobs

    def _marker(self, recipe: Recipe) -> Callable[[ConfigOf], ConfigOf]:
        """Adds to configurations what tells own code, images and recipes from others."""
        update = {
            "origin": origin_of(self.benchmark, recipe, self.preset),
            "overrides": (*self._named_network(), *self.overrides),
        }
        fingerprints = Fingerprints(data_root(self.data_root))

        def marked(make: ConfigOf) -> ConfigOf:
            return lambda method, seed: fingerprints.of(make(method, seed)).model_copy(
                update=update
            )

        return marked

    def _named_network(self) -> list[str]:
        """`--network` is short for an override, which quotes a name with a colon in it."""
        return [f'network.name="{self.network}"'] if self.network else []

    def _check(self, jobs: list[Job]) -> None:
        """Find now what would fail, or be ignored, only once there are worker processes."""
        for config in (job.config for job in jobs):
            network_factory(config.network.name)
            for name in config.stream.dataset.split("+"):
                find_dataset(name)
            check_scenario(config)

        run = {job.config.method for job in jobs}
        for owner, dot, _ in (override.partition(".") for override in self.overrides):
            if dot and owner not in SECTIONS and owner not in run:
                raise UsageError(f"a key of {owner} is set, but that method is not run")


def check_device(name: str) -> None:
    """Raises `UsageError` when torch cannot use the device."""
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda' is not available here; use --device cpu")
