"""CPG: picks and owns, compacts as far as it may, grows without touching old tasks."""

import copy

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.methods.masks.cpg import CPG, CPGPlugin
from cgap_bench.learn.methods.masks.widening import widened
from cgap_bench.shapes.tracing import total_macs


@pytest.fixture
def model(toy):
    torch.manual_seed(0)
    return CPG(toy.chain(), range(toy.n_tasks))


def judge_of(toy):
    def judge(model, task):
        x, y = toy.data(task)
        was, _ = model.training, model.eval()
        with torch.no_grad():
            accuracy = float((model(x, task).argmax(1) == y).float().mean())
        model.train(was)
        return accuracy

    return judge


def trained(toy, model, plugin, epochs=20):
    torch.manual_seed(1)
    strategy = toy.strategy(model, [plugin], epochs, lr=0.05)
    first = []
    for task, experience in enumerate(toy.stream()):
        strategy.train(experience)
        first.append(toy.logits(model.network_for(task), task))
    return first, [toy.logits(model.network_for(task), task) for task in range(toy.n_tasks)]


def test_nothing_is_forgotten_and_every_task_is_learnt(toy, model):
    first, last = trained(toy, model, CPGPlugin(judge_of(toy)))
    for task, (before, after) in enumerate(zip(first, last, strict=True)):
        assert torch.equal(before, after)
        assert toy.accuracy(after, task) > 0.9
    assert model.free_share() > 0.2  # tasks as easy as these need few weights


def test_a_later_task_uses_weights_of_elders_that_it_picks(toy, model):
    trained(toy, model, CPGPlugin(judge_of(toy)))
    name = "5.weight"
    owner, weight = model.owner_of(name), model.network_for(2)[5].weight
    older = (owner > 0) & (owner < 3)
    picked = model.picks_of(name)[2]
    assert int((picked & older).sum()) > 0
    assert torch.equal(weight[older & picked], model.settled_of(name)[older & picked])
    assert (weight[older & ~picked] == 0).all()
    assert (weight[owner == 0] == 0).all()


def test_unpicked_weights_of_elders_are_left_out(toy, model):
    model.begin(0)
    model.finish(0)
    model.begin(1)
    with torch.no_grad():
        model.scores["5__weight"][:6] = -1.0
    used = model.weights(1)["5.weight"]
    assert (used[:6] == 0).all()
    assert torch.equal(used[6:], model.settled_of("5.weight")[6:])


def test_compacting_keeps_the_largest_of_what_was_free(model):
    model.begin(0)
    weight = model.weight("5.weight").detach().clone()
    for share in (0.5, 0.25):
        model.compact(share)
        own = model.owner_of("5.weight") == 1
        assert int(own.sum()) == round(share * 288)
        assert weight[own].abs().min() >= weight[~own].abs().max()
    model.finish(0)
    model.begin(1)
    free = model.owner_of("5.weight") == 0
    assert (model.weight("5.weight")[free] == 0).all()


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [
        ([0.9, 0.9, 0.9, 0.9], 0.2),  # every cut is borne
        ([0.9, 0.9, 0.8], 0.8),  # the second has cost too much: back to the first
        ([0.9, 0.9, 0.9, 0.8], 0.5),  # the last has: back to the one before
    ],
)
def test_cuts_are_taken_back_where_they_cost_too_much(toy, model, accuracies, kept):
    answers = iter(accuracies)
    plugin = CPGPlugin(lambda *_: next(answers), shares=(0.8, 0.5, 0.2), tolerance=0.05)
    toy.strategy(model, [plugin], epochs=10).train(toy.stream()[0])
    own = sum(int((model.owner_of(n) == 1).sum()) for n in model.weight_names())
    assert own / model.n_weights() == pytest.approx(kept, abs=0.01)


def test_growth_widens_every_layer_and_leaves_old_tasks_as_they_were(toy, model):
    torch.manual_seed(1)
    strategy = toy.strategy(model, [CPGPlugin(judge_of(toy))], epochs=5)
    strategy.train(toy.stream()[0])
    before = toy.logits(model.network_for(0), 0)
    model.begin(1)
    model.grow(1.5)
    assert model.weight("0.weight").shape == (8, 2, 3, 3)  # 6 * sqrt(1.5) = 7.3
    assert model.weight("5.weight").shape == (15, 32)
    network = model.network_for(0)
    assert torch.allclose(toy.logits(network, 0), before, atol=1e-6)
    assert network[-1].in_features == 15


def test_it_grows_where_the_goal_is_missed_and_trains_on(toy, model):
    plugin = CPGPlugin(lambda *_: 0.5, goal=0.9, largest_size=1.5)
    first, last = trained(toy, model, plugin)
    assert float(model.size) == 1.5
    for task in range(toy.n_tasks):
        assert torch.allclose(first[task], last[task], atol=1e-5)
        assert toy.accuracy(last[task], task) > 0.9
    satisfied = CPG(toy.chain(), range(toy.n_tasks))
    trained(toy, satisfied, CPGPlugin(lambda *_: 0.95, goal=0.9), epochs=2)
    assert float(satisfied.size) == 1.0


def test_its_state_restores_a_grown_network(toy, model):
    plugin = CPGPlugin(lambda *_: 0.5, goal=0.9)
    _, last = trained(toy, model, plugin, epochs=5)
    torch.manual_seed(7)
    other = CPG(toy.chain(), range(toy.n_tasks))
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    for task in range(toy.n_tasks):
        assert torch.equal(toy.logits(other.network_for(task), task), last[task])


def test_bits_are_owners_and_picks(model):
    for task in range(3):
        model.begin(task)
        model.finish(task)
    assert model.mask_bits() == (2 + 2) * model.n_weights()


def test_a_network_that_is_no_chain_is_refused():
    nested = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="plain chain"):
        CPG(nested, [0])


def test_widening_keeps_what_layers_are(toy):
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=2, bias=False)
    made = widened(nn.Sequential(conv, nn.BatchNorm2d(4, momentum=0.3)), 2.0)
    assert (made[0].in_channels, made[0].out_channels, made[0].bias) == (3, 8, None)
    assert (made[0].stride, made[0].padding, made[0].dilation) == ((2, 2), (1, 1), (2, 2))
    assert (made[1].num_features, made[1].momentum) == (8, 0.3)


def test_held_out_images_are_needed(tiny, run):
    with pytest.raises(UsageError, match="cpg chooses on held-out images"):
        run(tiny("cpg", holdout_share=0.0))


def test_as_a_method_it_forgets_nothing_and_grows_when_it_must(records, tiny, run):
    first, last = records["cpg"].accuracy
    assert last[0] == first[0]
    grown = run(tiny("cpg", epochs=5, own={"goal": 1.0}, holdout_share=0.2))
    wide, narrow = (
        total_macs(record.networks[record.subnetworks[-1][-1]])
        for record in (grown, records["cpg"])
    )
    assert wide == pytest.approx(1.5 * narrow, rel=0.1)
