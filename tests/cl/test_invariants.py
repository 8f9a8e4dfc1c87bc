"""The promise of the method, driven by random plans over random small architectures."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from cgap_cl import Birth, Plan, PlasticNetwork, UnsupportedNetworkError
from cgap_cl.change import surgery
from cgap_cl.change.newborn import FanOut, Random, Split

X = torch.randn(5, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def subset(draw, n, limit):
    """Some of n units, at most ``limit`` of them."""
    return draw(st.lists(st.integers(0, n - 1), max_size=limit, unique=True))


@st.composite
def plans(draw, column):
    """Any plan that the column allows: parents, units that go."""
    widths = column.widths
    grow = {g: subset(draw, n, 2) * draw(st.integers(1, 2)) for g, n in widths.items()}
    prune = {g: subset(draw, n, n - 1) for g, n in widths.items()}
    return Plan(
        grow=grow if draw(st.booleans()) else {},
        prune=prune if draw(st.booleans()) else {},
    )


NEWBORNS = [
    Split(),
    Split(0.0),
    Split(0.2, FanOut.ZERO),
    Random(),
    Random(FanOut.HALVES),
]


@st.composite
def births(draw, network, index, label):
    """Any ancestor or none, any units shared that leave one to copy."""
    blocks = st.integers(0, index - 1) if index else st.nothing()
    ancestor = network.labels.get(label, draw(st.one_of(st.none(), blocks)))
    if ancestor is None:
        return Birth({g: draw(st.integers(1, 3)) for g in network.layout.widths})
    widths = network.block(ancestor).widths
    share = (
        {g: subset(draw, n, n - 1) for g, n in widths.items()} if draw(st.booleans()) else {}
    )
    return Birth(None, ancestor, share)


@st.composite
def elders(draw, network, index):
    """Older blocks that the column does not read yet."""
    free = [k for k in range(index) if k not in network.column.sources()]
    return draw(st.lists(st.sampled_from(free), unique=True, max_size=2)) if free else []


STAGES = ["conv", "same", "project", "depthwise", "gate", "concat", "pool"]
ENDS = ["flatten", "average", "linear", "pointwise"]


@st.composite
def references(draw, make):
    """A random small architecture: its stages, its end, its widths."""
    stages = draw(st.lists(st.sampled_from(STAGES), max_size=3))
    widths = draw(st.lists(st.integers(2, 4), min_size=2, max_size=3))
    return make(stages, draw(st.sampled_from(ENDS)), widths, draw(st.booleans())).double()


def accepted(reference):
    """The plastic network; a sum over a concat ties parts of groups and is refused."""
    try:
        return PlasticNetwork(reference, X).eval()
    except UnsupportedNetworkError:
        assert "concat" in reference.stages
        reject()


def examples(n):
    """So many histories, the same ones each time."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


@examples(20)
@given(data=st.data())
def test_any_history_keeps_the_promise(data, drawn, randomise, error, read):
    promise_holds(data, drawn, randomise, error, read)


@pytest.mark.slow
@examples(400)
@given(data=st.data())
def test_many_histories_keep_the_promise(data, drawn, randomise, error, read):
    promise_holds(data, drawn, randomise, error, read)


def promise_holds(data, drawn, randomise, error, read):
    """Any architecture; sprout, plan, train nothing, merge: exact, and nothing forgotten."""
    reference = data.draw(references(drawn))
    network = accepted(reference)
    other = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    logits, labels = [], []
    for index in range(data.draw(st.integers(1, 3))):
        label = data.draw(st.integers(0, index))  # now and then an older label again
        birth = data.draw(births(network, index, label))
        column = network.sprout(label, data.draw(st.integers(1, 3)), birth)
        steps = data.draw(st.integers(0, 2)), data.draw(st.integers(1, 3))
        read(network, data.draw(elders(network, index)), *steps)
        if data.draw(st.booleans()):
            randomise(column, generator)
        for _ in range(data.draw(st.integers(0, 2))):
            plan = data.draw(plans(column))
            surgery.apply(column, plan, data.draw(st.sampled_from(NEWBORNS)), generator)
        with torch.no_grad():
            own = network(X, label)
        network.merge()
        labels.append(label)
        logits.append(network(X, label))
        assert error(logits[-1], own) <= 1e-12
        for older, label in enumerate(labels):
            if network.labels[label] == older:
                assert torch.equal(network(X, label), logits[older])
                assert torch.equal(network.subnetwork(label)(X), logits[older])
    merged = network.merged()(X)
    assert error(merged, torch.cat(logits, 1)) <= 1e-12
    other.load_state_dict(network.state_dict())
    for label in network.labels:
        assert torch.equal(other(X, label), network(X, label))


def test_learning_parameters_do_not_grow_with_experiences(fresh, read):
    network, counts = fresh("chain"), []
    for k in range(5):
        network.sprout(k, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
        read(network, range(min(k, 1)))
        counts.append(sum(p.numel() for p in network.live_parameters()))
        network.merge()
    assert counts[0] < counts[1] == counts[2] == counts[3] == counts[4]
    assert network.live_parameters() == []
