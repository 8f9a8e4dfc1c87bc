"""The table of plugins in the reference: each row trains as it stands, in plain Avalanche."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin, SynapticIntelligencePlugin

from cgap_bench.learn.method import METHODS
from cgap_bench.learn.methods.masks.task_network import TaskPlugin
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, Reservoir
from cgap_bench.learn.multi_head import MultiHead
from cgap_cl import PlasticNetwork

HERE = "cgap_bench.learn.methods"
PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text()
ROW = re.compile(r"\| `([^`]+)` \| `([^`]+)`[^|]* \| `([^`]+)`[^|]* \| `([^`]+)` \|")
ROWS = ROW.findall(PAGE)
# a base class, and two parts of methods that cut or shrink in a way of their own
PARTS = {"QuadraticPenalty", "PruneOnce"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_the_page_trains(row, toy):
    _, plugin, model, module = row
    torch.manual_seed(0)
    names = vars(import_module(f"{HERE}.{module}")) | {
        "net": toy.chain(),
        "tasks": range(toy.n_tasks),
        "images": toy.data(0)[0][:2],
        "judge": lambda _model, _task: 1.0,
        "BalancedMemory": BalancedMemory,
        "Reservoir": Reservoir,
        "TaskPlugin": TaskPlugin,
        "MultiHead": MultiHead,
        "PlasticNetwork": PlasticNetwork,
    }
    names["model"] = eval(model, names)
    first, second, _ = toy.stream(labelled=model != "net")
    strategy = toy.strategy(names["model"], [eval(plugin, names)], epochs=2, lr=0.01)
    strategy.train(first)
    strategy.train(second)
    assert all(weight.isfinite().all() for weight in names["model"].parameters())


def test_the_page_has_every_plugin_and_no_other_name():
    assert {method for method, *_ in ROWS} <= set(METHODS.names())
    pending, plugins = [SupervisedPlugin], set()
    while pending:
        for kind in pending.pop().__subclasses__():
            pending.append(kind)
            if kind.__module__.startswith(HERE) and not kind.__name__.startswith("_"):
                plugins.add(kind.__name__)
    assert plugins - PARTS == {plugin.partition("(")[0] for _, plugin, *_ in ROWS}


@pytest.mark.filterwarnings("ignore")
def test_avalanches_si_has_no_effect_on_the_cpu_and_a_copy_mends_it(toy, monkeypatch):
    def importances():
        torch.manual_seed(0)
        plugin = SynapticIntelligencePlugin(si_lambda=1.0)
        toy.strategy(toy.chain(), [plugin], epochs=1).train(toy.stream(labelled=False)[0])
        return sum(float(one.data.abs().sum()) for one in plugin.ewc_data[1].values())

    def copied(model, target, excluded):
        for name, one in SynapticIntelligencePlugin.allowed_parameters(model, excluded):
            target[name].data = one.detach().cpu().flatten().clone()

    assert importances() == 0
    monkeypatch.setattr(SynapticIntelligencePlugin, "extract_weights", staticmethod(copied))
    assert importances() > 0
