"""The plugin inside Avalanche: nothing forgotten, whatever runs beside it."""

import pytest
import torch
from avalanche.benchmarks import tensors_benchmark
from avalanche.evaluation import metrics
from avalanche.logging import BaseLogger
from avalanche.training import Cumulative, Naive
from avalanche.training.plugins import (
    EarlyStoppingPlugin,
    EvaluationPlugin,
    LRSchedulerPlugin,
    LwFPlugin,
    ReplayPlugin,
    SupervisedPlugin,
)

from cgap_cl import (
    CGaPConfig,
    CGaPPlugin,
    GrowthPolicy,
    PlasticNetwork,
)
from cgap_cl.decide import price

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


CONFIG = CGaPConfig(
    target_price=0.5, price=price.balanced, growth=GrowthPolicy(linear_capacity=1.0)
)


def run(host, network, stream, x):
    """Train all experiences; old logits must stay bit for bit."""
    first = {}
    for experience in stream.train_stream:
        host.train(experience)
        host.eval(stream.test_stream)
        for label in network.labels:
            logits = network.eval()(x, label)
            assert torch.equal(network.subnetwork(label)(x), logits)
            assert torch.equal(first.setdefault(label, logits), logits)
    return first


X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def every_metric():
    """All metrics of Avalanche but four.

    MAC counts wrongly and calls the model without labels, GPU usage needs nvidia-smi, RAM and
    disk usage poll in threads.
    """
    scopes = {"epoch": True, "experience": True, "stream": True}
    return [
        metrics.accuracy_metrics(
            minibatch=True, epoch_running=True, trained_experience=True, **scopes
        ),
        metrics.amca_metrics(),
        metrics.bwt_metrics(experience=True, stream=True),
        metrics.class_accuracy_metrics(**scopes),
        metrics.confusion_matrix_metrics(num_classes=3, save_image=False, stream=True),
        metrics.cpu_usage_metrics(**scopes),
        metrics.forgetting_metrics(experience=True, stream=True),
        metrics.forward_transfer_metrics(experience=True, stream=True),
        metrics.labels_repartition_metrics(on_train=True, image_creator=lambda *_: None),
        metrics.loss_metrics(minibatch=True, **scopes),
        metrics.mean_scores_metrics(on_train=True, on_eval=True, image_creator=None),
        metrics.timing_metrics(**scopes),
        metrics.topk_acc_metrics(top_k=2, **scopes),
        metrics.WeightCheckpoint(),
    ]


def beside(name, network):
    """Another plugin, and what it needs of the strategy."""
    if name == "replay":
        return [ReplayPlugin(mem_size=30)], {}
    if name == "lwf":
        return [LwFPlugin()], {}
    if name == "scheduler":
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        return [LRSchedulerPlugin(schedule)], {"optimizer": optimizer}
    return [], {"evaluator": EvaluationPlugin(*every_metric()), "eval_every": 1}


@pytest.mark.parametrize("name", ["replay", "lwf", "scheduler", "metrics"])
def test_nothing_is_forgotten_beside(name, network, stream, strategy):
    plugins, options = beside(name, network)
    host = strategy(network, *plugins, **options)
    host.eval(stream.test_stream)  # forward transfer is measured against this
    run(host, network, stream, X)
    kinds = {entry["kind"] for entry in host.plugins[0].history}
    assert {"sprout", "grow", "prune", "merge"} <= kinds
    last = host.evaluator.get_last_metrics()
    assert last["CGaP_Parameters/train_phase/Task002"] == network.stored_parameters()


class Given(BaseLogger):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.values = []

    def log_single_metric(self, name, value, x_plot):
        self.values.append((name, x_plot, value))


def test_loggers_get_prices_and_parameters_of_every_experience_once(network, stream, strategy):
    logger = Given()
    host = strategy(network, evaluator=EvaluationPlugin(loggers=[logger]))
    run(host, network, stream, X)
    assert len(logger.values) == len(set(logger.values))
    for task in range(3):
        for kind in ("CGaP_Price", "CGaP_Parameters"):
            name = f"{kind}/train_phase/Task{task:03d}"
            values = [value for given, _, value in logger.values if given == name]
            assert len(values) >= 3  # sprout, some change, merge
    prices = [value for name, _, value in logger.values if "CGaP_Price" in name]
    assert set(prices) <= {entry["price"] for entry in host.plugins[0].history}


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adagrad": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {},
    "Rprop": {},
}


REFUSED = {"LBFGS", "Adafactor", "SparseAdam", "Muon"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_element_wise_optimizer(name, network, stream, strategy):
    """Through growth, pruning and merging; what is merged no longer has any state."""
    optimizer = getattr(torch.optim, name)(network.parameters(), lr=0.01, **OPTIMIZERS[name])
    host = strategy(network, optimizer=optimizer, train_epochs=4)  # fewer: a visit too short
    for experience in stream.train_stream[:2]:
        host.train(experience)
        held = [p for group in optimizer.param_groups for p in group["params"]]
        assert not {p for p in held if p.requires_grad} - set(network.live_parameters())
    assert {"grow", "prune"} <= {entry["kind"] for entry in host.plugins[0].history}
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_no_optimizer_of_torch_is_forgotten():
    """A new one in torch.optim is either supported or refused by name."""
    known = {n for n, kind in vars(torch.optim).items() if isinstance(kind, type)}
    assert known - {"Optimizer"} == set(OPTIMIZERS) | (REFUSED & known)


@pytest.mark.parametrize("name", sorted(REFUSED & set(vars(torch.optim))))
def test_other_optimizers_are_refused_by_name(name, network, stream, strategy):
    parameters = [p for p in network.parameters() if name != "Muon" or p.dim() == 2]
    optimizer = getattr(torch.optim, name)(parameters, lr=0.01)
    with pytest.raises(TypeError, match=name):
        strategy(network, optimizer=optimizer).train(stream.train_stream[0])


class Autocast(Naive):
    """Avalanche's strategy with its forward pass under bfloat16 autocast."""

    def forward(self):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward().float()


def test_autocast(network, stream, strategy):
    host = strategy(network, kind=Autocast)
    run(host, network, stream, X)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda(network, stream, strategy):
    host = strategy(network, device="cuda", train_epochs=2)
    run(host, network, stream, X.cuda())
    assert {
        tensor.device.type
        for tensor in network.state_dict().values()
        if isinstance(tensor, torch.Tensor)
    } == {"cuda"}


def test_plateau_schedules_and_rates_are_left_alone(network, stream, strategy):
    """The plugin carries the rate that the user's scheduler has set."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=0, threshold=100.0, threshold_mode="abs"
    )  # no loss falls so far: the rate is halved every epoch
    plugin = LRSchedulerPlugin(schedule, metric="train_loss", reset_lr=False)
    rates = []

    class Watcher(CGaPPlugin):
        def after_training_iteration(self, strategy, **options):
            before = strategy.optimizer.param_groups[0]["lr"]
            super().after_training_iteration(strategy, **options)
            rates.append((before, strategy.optimizer.param_groups[0]["lr"]))

    host = strategy(network, plugin, optimizer=optimizer, train_epochs=6)
    host.plugins[0] = Watcher(CONFIG)
    run(host, network, stream, X)
    assert all(before == after for before, after in rates)
    assert rates[-1][0] < 0.1


def test_evaluation_in_the_middle_changes_nothing(architectures, stream, strategy):
    """Every epoch and every third batch: the same network in the end.

    Avalanche's loaders draw from the global generator, hence a seed for every batch.
    """

    class Seeded(SupervisedPlugin):
        def before_train_dataset_adaptation(self, strategy, **_):
            torch.manual_seed(strategy.experience.current_experience)

        def before_training_iteration(self, strategy, **_):
            torch.manual_seed(strategy.clock.train_iterations)

    states = []
    for every in (-1, 1, 3):
        torch.manual_seed(0)
        network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
        mode = {"peval_mode": "iteration"} if every == 3 else {}
        host = strategy(network, eval_every=every, train_epochs=3, **mode)
        host.plugins.insert(0, Seeded())
        for experience in stream.train_stream[:2]:
            host.train(experience, eval_streams=[stream.test_stream], shuffle=False)
        states.append({k: v for k, v in network.state_dict().items() if k != "_extra_state"})
    for other in states[1:]:
        assert other.keys() == states[0].keys()
        assert all(torch.equal(value, states[0][key]) for key, value in other.items())


def test_several_visits_of_one_label(network, strategy, rows):
    """Task 0, task 1, task 0 with more classes: 1 bitwise as before, 0 goes on learning."""
    generator = torch.Generator().manual_seed(3)
    parts = [rows(0, 48, generator), rows(1, 48, generator), rows(0, 48, generator)]
    first = parts[0][1] < 2
    parts[0] = (parts[0][0][first], parts[0][1][first])
    stream = tensors_benchmark(train_tensors=parts, test_tensors=parts, task_labels=[0, 1, 0])
    host = strategy(network, train_epochs=3)
    host.train(stream.train_stream[0])
    zero = network.eval()(X, 0)
    host.train(stream.train_stream[1])
    one = network.eval()(X, 1)
    assert torch.equal(network(X, 0), zero)
    host.train(stream.train_stream[2])
    assert torch.equal(network.eval()(X, 1), one)
    assert zero.shape == (7, 2)
    assert network(X, 0).shape == (7, 3)
    assert network.n_merged == 3
    host.eval(stream.test_stream)


def test_cumulative_mixes_tasks_in_a_batch(network, stream, strategy):
    mixes = []

    class Noting(SupervisedPlugin):
        def before_forward(self, strategy, **_):
            mixes.append(set(strategy.mb_task_id.tolist()))

    host = strategy(network, Noting(), kind=Cumulative, criterion=torch.nn.CrossEntropyLoss())
    run(host, network, stream, X)
    assert {0, 1, 2} in mixes


@pytest.mark.filterwarnings("ignore:training ended before:UserWarning")
def test_early_stopping_restores_an_older_structure(network, stream, strategy):
    stopper = EarlyStoppingPlugin(1, "test_stream", metric_name="Top1_Acc_Stream")
    host = strategy(
        network,
        stopper,
        evaluator=EvaluationPlugin(metrics.accuracy_metrics(stream=True)),
        eval_every=1,
        train_epochs=8,
    )
    for experience in stream.train_stream:
        host.train(experience, eval_streams=[stream.test_stream])
        assert network.column is None
        assert network(X, experience.task_label).shape == (7, 3)


@pytest.mark.filterwarnings("ignore:training ended before:UserWarning")
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (17, 1), (17, 3)])
def test_tiny_experiences(network, n, classes, strategy):
    """One sample, one class, a last batch of one: trained and merged."""
    y = torch.arange(n) % classes
    x = torch.randn(n, 2, 6, 6)
    stream = tensors_benchmark(train_tensors=[(x, y)], test_tensors=[(x, y)], task_labels=[0])
    strategy(network, train_epochs=1).train(stream.train_stream[0])
    assert network.eval()(X, 0).shape == (7, classes)


def test_wrong_model_and_optimizer_are_refused(network, stream, architectures, strategy):
    plain = strategy(architectures["chain"]())
    with pytest.raises(TypeError, match="PlasticNetwork"):
        plain.train(stream.train_stream[0])
    optimizer = torch.optim.LBFGS(network.parameters())
    with pytest.raises(TypeError, match="LBFGS"):
        strategy(network, optimizer=optimizer).train(stream.train_stream[0])


def test_same_seed_same_network(architectures, stream, strategy):
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        network = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
        host = strategy(network)
        for experience in stream.train_stream:
            host.train(experience)
        states.append((network.state_dict(), host.plugins[0].history))
    (first, history), (second, again) = states
    assert history == again
    for key, value in first.items():
        same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert same(value, second[key]), key
