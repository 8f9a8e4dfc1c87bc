"""What runs beside the plugin is in the card; what does not is refused, with the reason."""

from pathlib import Path

import pytest
import torch
from avalanche.evaluation.metrics import MAC_metrics
from avalanche.training import DER, JointTraining, plugins
from avalanche.training.plugins import EvaluationPlugin
from torch import nn
from torch.optim.swa_utils import AveragedModel

import cgap_cl
from cgap_cl import PlasticNetwork
from cgap_cl.train.neighbours import REFUSED

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:training ended before:UserWarning",
)
NEEDS = {
    "BiCPlugin": {"mem_size": 20},
    "CWRStarPlugin": {"model": nn.Linear(2, 2)},
    "EWCPlugin": {"ewc_lambda": 1.0},
    "GDumbPlugin": {"mem_size": 20},
    "GSS_greedyPlugin": {"mem_size": 20},
    "LFLPlugin": {"lambda_e": 1.0},
    "RARPlugin": {"batch_size_mem": 10, "mem_size": 20},
    "SynapticIntelligencePlugin": {"si_lambda": 1.0},
}
OTHERS = [kind for kind in REFUSED if kind is not DER]


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("first", [False, True])
def test_refused_wherever_it_stands_in_the_list(kind, first, network, strategy, stream):
    neighbour = kind(**NEEDS.get(kind.__name__, {}))
    host = strategy(network, neighbour)
    if first and kind in (plugins.BiCPlugin, plugins.LFLPlugin):
        pytest.skip("it refuses the network itself")
    if first:
        host.plugins.insert(0, host.plugins.pop(1))
    with pytest.raises(TypeError, match=f"beside {kind.__name__}: "):
        host.train(stream.train_stream[0])
    assert not network.labels


def test_strategies_and_metrics_are_refused(network, strategy, stream):
    der = strategy(network, kind=DER, mem_size=20)
    with pytest.raises(TypeError, match="beside DER: it stores the logits"):
        der.train(stream.train_stream[0])
    host = strategy(network, evaluator=EvaluationPlugin(MAC_metrics(experience=True)))
    with pytest.raises(TypeError, match=r"beside MAC_metrics: .*CGaP_Price"):
        host.train(stream.train_stream[0])


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel], ids=["compile", "parallel"])
def test_wrapped_networks_are_told_what_to_do(network, strategy, stream, wrap):
    with pytest.raises(TypeError, match="give the strategy the PlasticNetwork itself"):
        strategy(wrap(network)).train(stream.train_stream[0])


BESIDE = {
    "AGEM": lambda: plugins.AGEMPlugin(20, 10),
    "GEM": lambda: plugins.GEMPlugin(20, 0.5),
    "MIR": lambda: plugins.MIRPlugin(10, 20),
}


@pytest.mark.parametrize("name", BESIDE)
def test_these_run(name, network, strategy, stream):
    """Replay, LwF and schedulers: test_plugin.py."""
    host = strategy(network, BESIDE[name](), train_epochs=2)
    for experience in stream.train_stream[:2]:
        host.train(experience)
    assert network.n_merged == 2


def test_averages_are_of_one_structure(network, strategy, stream):
    """One that is older than the last pruning cannot follow; of a subnetwork it can be made."""
    older = AveragedModel(network)
    older.update_parameters(network)
    strategy(network).train(stream.train_stream[0])
    with pytest.raises(RuntimeError, match="size"):
        older.update_parameters(network)
    average, plain = AveragedModel(network.subnetwork(0)), network.subnetwork(0)
    for _ in range(2):
        average.update_parameters(plain)
    x = torch.randn(4, 2, 6, 6)
    torch.testing.assert_close(average.eval()(x), plain(x))


def test_the_card_names_every_neighbour_that_is_refused():
    card = Path(cgap_cl.__file__).with_name("README.md").read_text()
    table = card.split("## Neighbours")[1].split("\n## ")[0]
    assert [kind.__name__ for kind in REFUSED if f"`{kind.__name__}`" not in table] == []


def test_joint_training_of_several_experiences_is_refused(
    architectures, strategy, stream, part, stream_of
):
    """Rows of tasks, or with one head of classes, that were never experiences of their own."""
    one_head = stream_of([part((0, 1)), part((2, 3))], (0, 0))
    for made, message in (
        (stream, r"rows of tasks \[1, 2\]"),
        (one_head, r"rows of classes \[2, 3\]"),
    ):
        network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
        joint = strategy(network, kind=JointTraining, criterion=nn.CrossEntropyLoss())
        with pytest.raises(ValueError, match=message):
            joint.train(made.train_stream)


SMOOTH = nn.CrossEntropyLoss(label_smoothing=0.1)


@pytest.fixture
def one_task(architectures, strategy, part, stream_of):
    """Classes and a loss -> a strategy, and an experience of these classes."""

    def made(classes, criterion):
        network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
        (experience,) = stream_of([part(classes)], (0,)).train_stream
        return strategy(network, criterion=criterion), experience

    return made


@pytest.mark.parametrize(
    ("criterion", "classes", "told"),
    [
        (SMOOTH, (2, 3), "label smoothing"),
        (nn.MSELoss(), (2, 3), "MSELoss"),
        (SMOOTH, (0, 1), None),
        (nn.CrossEntropyLoss(), (2, 3), None),
    ],
)
def test_a_loss_that_takes_in_classes_that_a_head_lacks_is_refused(
    one_task, criterion, classes, told
):
    """At -10,000 a logit; with smoothing a loss of 900 pushed all others down without end."""
    host, experience = one_task(classes, criterion)
    if told is None:
        host.train(experience)
        assert host.loss.item() < 10
    else:
        with pytest.raises(ValueError, match=f"{told} takes in logits of classes that a head"):
            host.train(experience)


def test_heads_of_unequal_size_in_one_batch_are_padded_too(
    architectures, strategy, part, stream_of
):
    network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
    host = strategy(network, plugins.ReplayPlugin(20), criterion=SMOOTH)
    first, second = stream_of([part((0, 1)), part((0, 1, 2))], (0, 1)).train_stream
    host.train(first)
    with pytest.raises(ValueError, match="give all tasks as many"):
        host.train(second)
