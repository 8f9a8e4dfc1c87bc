"""The promise of the method, driven by random plans over random small architectures."""

import copy
import functools

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from cgap_cl import Birth, Plan, PlasticNetwork, UnsupportedNetworkError
from cgap_cl.blocks.closure import closure
from cgap_cl.change import surgery
from cgap_cl.change.gradmax import GradMax
from cgap_cl.change.newborn import FanOut, Random, ScaledCopy, Split, net2wider
from cgap_cl.decide import saliency

NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]
X = torch.randn(5, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def fresh(architectures):
    """A new network of that name; tracing is done once."""

    @functools.cache
    def traced(name):
        torch.manual_seed(0)
        return PlasticNetwork(architectures[name]().double(), X).eval()

    return lambda name: copy.deepcopy(traced(name))


def subset(draw, n, limit):
    """Some of n units, at most ``limit`` of them."""
    return draw(st.lists(st.integers(0, n - 1), max_size=limit, unique=True))


@st.composite
def plans(draw, column):
    """Any plan that the column allows: parents, units that go, lateral inputs that go."""
    widths = column.widths
    grow = {g: subset(draw, n, 2) * draw(st.integers(1, 2)) for g, n in widths.items()}
    prune = {g: subset(draw, n, n - 1) for g, n in widths.items()}
    laterals = {
        (layer.name, source): subset(draw, len(lateral.index), len(lateral.index))
        for layer in column.plastic() for source, lateral in layer.sources()
    }  # fmt: skip
    return Plan(
        grow=grow if draw(st.booleans()) else {},
        prune=prune if draw(st.booleans()) else {},
        laterals=laterals if draw(st.booleans()) else {},
    )


NEWBORNS = [
    Split(), net2wider(), ScaledCopy(), Random(), Split(0.2, FanOut.RANDOM), GradMax(),
]  # fmt: skip


@st.composite
def births(draw, network, index):
    """Any parent or none, any trunk, any units shared that leave one to copy."""
    blocks = st.integers(0, index - 1) if index else st.nothing()
    trunk = draw(st.lists(blocks, unique=True, max_size=min(2, index)))
    parent = draw(st.one_of(st.none(), blocks))
    if parent is None:
        return Birth({g: draw(st.integers(1, 3)) for g in network.layout.widths}, None, trunk)
    widths = network.block(parent).widths
    share = (
        {g: subset(draw, n, n - 1) for g, n in widths.items()} if draw(st.booleans()) else {}
    )
    return Birth(None, parent, trunk, share=share)


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


@settings(
    max_examples=200, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_any_history_keeps_the_promise(data, drawn, randomise, error):
    """Any architecture; sprout, plan, train nothing, merge: exact, and nothing forgotten."""
    reference = data.draw(references(drawn))
    network = accepted(reference)
    other = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    logits, labels = [], []
    for index in range(data.draw(st.integers(1, 3))):
        label = data.draw(st.integers(0, index))  # now and then an older label again
        birth = data.draw(births(network, index))
        column = network.sprout(label, data.draw(st.integers(1, 3)), birth)
        if data.draw(st.booleans()):
            randomise(column, generator)
        for _ in range(data.draw(st.integers(0, 2))):
            plan = data.draw(plans(column))
            surgery.apply(column, plan, data.draw(st.sampled_from(NEWBORNS)), generator)
            assert Plan.from_dict(plan.to_dict()) == plan
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


@pytest.mark.parametrize("name", NAMES)
def test_splitting_preserves_the_function(name, fresh, randomise, error):
    network = fresh(name)
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    randomise(column, torch.Generator().manual_seed(3))
    before = network(X, 0)
    for newborn in (net2wider(), Split(0.5, FanOut.ZERO), Random()):
        plan = Plan(grow={g: [0, 2, 2] for g in column.widths})
        surgery.apply(column, plan, newborn)
        assert error(network(X, 0), before) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_newborns_that_nothing_reads_can_go_again(name, fresh, randomise):
    """Split with zero fan-out, prune the newborn: every tensor is what it was, bit for bit."""
    network = fresh(name)
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 3)))
    randomise(column, torch.Generator().manual_seed(3))
    before = {
        k: v.clone() for k, v in column.state_dict().items() if isinstance(v, torch.Tensor)
    }
    surgery.apply(column, Plan(grow={g: [1] for g in column.widths}), Split(0.5, FanOut.ZERO))
    surgery.apply(column, Plan(prune={g: [2] for g in column.widths}))
    after = column.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_newborn_and_parent_diverge(fresh):
    """Noise parts them at birth, and training drives them further apart."""
    torch.manual_seed(0)
    network = fresh("chain").train()
    column = network.sprout(0, 3, Birth(dict.fromkeys(network.layout.widths, 2)))
    surgery.apply(column, Plan(grow={"4": [0]}), Split(noise=0.1))
    weight = column.layer("4").own.weight
    distance = [float((weight[0] - weight[1]).detach().norm())]
    optimizer = torch.optim.SGD(network.live_parameters(), lr=0.1, momentum=0.9)
    y = torch.tensor([0, 1, 2, 0, 1])
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(X, 0), y).backward()
        optimizer.step()
    distance.append(float((weight[0] - weight[1]).detach().norm()))
    assert 0 < distance[0] < distance[1]


@pytest.mark.parametrize("name", NAMES)
def test_closure_is_exact(name, fresh, randomise):
    """Changing a unit changes some logit if and only if the subnetwork keeps it."""
    network = fresh(name)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, 2, 6, 6, dtype=torch.float64, generator=generator)
    for k in range(2):
        birth = Birth(dict.fromkeys(network.layout.widths, 3), trunk=range(k))
        column = network.sprout(k, 3, birth)
        randomise(column, generator)
        laterals = {
            (layer.name, s): range(len(lateral.index))[: 3 if number else None]
            for number, layer in enumerate(column.plastic()) for s, lateral in layer.sources()
        }  # fmt: skip
        surgery.apply(column, Plan(laterals=laterals))
        network.merge()
    kept = closure(network.all_blocks(), network.layout, 1)
    n_dropped = 0
    with torch.no_grad():
        for block in network.all_blocks():
            for group, width in block.widths.items():
                for unit in range(width):
                    needed = unit in kept.get(block.index, {}).get(group, [])
                    n_dropped += not needed
                    tries = (
                        changes(network, block, group, unit, x, generator) for _ in "12345"
                    )
                    assert any(tries) is needed  # one draw may leave a ReLU shut
    assert set(kept[1]) == set(network.layout.widths)
    assert n_dropped > 0 or name == "residual"


def changes(network, block, group, unit, x, generator):
    """Whether other weights of one unit change a logit of task 1."""
    before = network(x, 1)
    rows = [r.weight for r in saliency.unit_rows(block, group)]
    saved = [row[unit].clone() for row in rows]
    for row in rows:
        row[unit] += 30 * torch.randn(row[unit].shape, generator=generator, dtype=row.dtype)
    network._composed.clear()
    changed = not torch.equal(network(x, 1), before)
    for row, old in zip(rows, saved, strict=True):
        row[unit] = old
    network._composed.clear()
    assert torch.equal(network(x, 1), before)
    return changed


def test_learning_parameters_do_not_grow_with_experiences(fresh):
    network, counts = fresh("chain"), []
    for k in range(5):
        network.sprout(
            k, 3, Birth(dict.fromkeys(network.layout.widths, 3), trunk=range(min(k, 1)))
        )
        counts.append(sum(p.numel() for p in network.live_parameters()))
        network.merge()
    assert counts[0] < counts[1] == counts[2] == counts[3] == counts[4]
    assert network.live_parameters() == []


def test_plans_are_checked(fresh):
    column = fresh("mlp").sprout(0, 3)
    widths = column.widths
    for plan, message in [
        (Plan(grow={"9": [0]}), "groups are 1, 3"),
        (Plan(prune={"1": [99]}), "unit 99"),
        (Plan(prune={"1": range(widths["1"])}), "no unit"),
        (Plan(laterals={("3", 0): [0]}), "no lateral from block 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            surgery.apply(column, plan)
    assert column.widths == widths


def test_sprouting_is_checked(fresh):
    network = fresh("mlp")
    network.sprout(0, 3)
    with pytest.raises(RuntimeError, match="task 0 is still learning"):
        network.sprout(1, 3)
    network.merge()
    with pytest.raises(RuntimeError, match="no trained column"):
        network.merge()
    for birth, message in [
        (Birth(ancestor=3), "unknown block '3'"),
        (Birth(trunk=[1]), "unknown block '1'"),
        (Birth(widths={"1": 3}), "at least 1 unit"),
        (Birth(trunk=[0], layers=["1"]), "unknown layer for laterals '1'"),
    ]:
        with pytest.raises(ValueError, match=message):
            network.sprout(1, 3, birth)
        assert network.column is None
