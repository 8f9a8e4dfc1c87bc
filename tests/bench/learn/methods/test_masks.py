"""Masked networks: what each keeps, forgets, stores and executes."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cgap_bench.learn.methods.masks.hat import HAT, HATPlugin
from cgap_bench.learn.methods.masks.packnet import PackNet, PackNetPlugin
from cgap_bench.learn.methods.masks.piggyback import Piggyback
from cgap_bench.learn.methods.masks.shared_weights import SharedWeights
from cgap_bench.learn.methods.masks.structured import structured
from cgap_bench.learn.methods.masks.supsup import SupSup
from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskPlugin
from cgap_bench.learn.methods.masks.wsn import WSN

N_TASKS = 3
MASKED = {
    "packnet": (PackNet, PackNetPlugin),
    "piggyback": (Piggyback, TaskPlugin),
    "supsup": (SupSup, TaskPlugin),
    "wsn": (WSN, TaskPlugin),
    "hat": (HAT, lambda: HATPlugin(price=0.02)),  # of 18 units; the paper's c is for thousands
}


def trained(toy, model, plugin, epochs=20):
    """Logits of each task right after it was learnt, and after all; accuracy right after."""
    torch.manual_seed(1)
    strategy = toy.strategy(model, [plugin], epochs)
    first, accuracy = [], []
    for task, experience in enumerate(toy.stream()):
        strategy.train(experience)
        first.append(toy.logits(model.network_for(task), task))
        accuracy.append(toy.accuracy(first[-1], task))
    last = [toy.logits(model.network_for(task), task) for task in range(N_TASKS)]
    return first, last, accuracy


@pytest.fixture(scope="module", params=[(n, p) for n in MASKED for p in PerChannel], ids=str)
def run(request, toy):
    name, per_channel = request.param
    torch.manual_seed(0)
    network, plugin = MASKED[name]
    model = network(toy.chain(), range(N_TASKS), per_channel)
    first, last, accuracy = trained(toy, model, plugin())
    return SimpleNamespace(name=name, model=model, first=first, last=last, accuracy=accuracy)


def test_nothing_is_forgotten_bit_for_bit(run):
    if run.name == "hat":
        pytest.skip("HAT's protection is soft: test_hat_moves_only_what_is_not_protected")
    for before, after in zip(run.first, run.last, strict=True):
        assert torch.equal(before, after)


def test_every_task_is_learnt(run):
    learnt = run.accuracy[:1] if run.model.per_channel is PerChannel.FIRST else run.accuracy
    assert min(learnt) > 0.8, run.accuracy


def test_tasks_have_weights_of_their_own(run):
    first, last = (dict(run.model.network_for(task).named_parameters()) for task in (0, 2))
    assert not torch.equal(first["5.weight"], last["5.weight"])


def test_the_network_of_a_task_computes_what_the_model_does(toy, run):
    x, _ = toy.data(1)
    run.model.eval()
    with torch.no_grad():
        whole = run.model(x, 1)
        assert torch.allclose(run.model.network_for(1).eval()(x), whole, atol=1e-5)
        labels = torch.tensor([0, 1] * 32)
        mixed = run.model(x, labels)
        assert torch.allclose(mixed[1::2], whole[1::2], atol=1e-5)


def test_structured_form_is_smaller_or_equal_and_computes_the_same(toy, run):
    x, _ = toy.data(1)
    dense = run.model.network_for(1).eval()
    smaller = structured(dense)
    assert sum(p.numel() for p in smaller.parameters()) <= sum(
        p.numel() for p in dense.parameters()
    )
    with torch.no_grad():
        assert torch.allclose(smaller(x), dense(x), atol=1e-5)


def test_its_state_is_all_in_the_state_dict(toy, run):
    network, _ = MASKED[run.name]
    torch.manual_seed(9)
    copy = network(toy.chain(), range(N_TASKS), run.model.per_channel)
    copy.load_state_dict(run.model.state_dict())
    for task in range(N_TASKS):
        assert torch.equal(toy.logits(copy.network_for(task), task), run.last[task])
    assert copy.mask_bits() == run.model.mask_bits()


def test_a_task_is_learnt_once(run):
    with pytest.raises(ValueError, match="task 1 was learnt before"):
        run.model.begin(1)


WEIGHTS = 6 * 2 * 9 + 12 * 24  # of the chain above: convolution and linear
CHANNELS = 6 + 2 * 6 + 12  # biases, scale and shift
HEAD = 2 * 12 + 2


def built(toy, kind, **settings):
    torch.manual_seed(0)
    return kind(toy.chain(), range(N_TASKS), **settings)


def learnt(model, n):
    for task in range(n):
        model.begin(task)
        model.finish(task)
    return model


def test_stored_numbers_and_bits_are_counted(toy):
    own, first = built(toy, PackNet), built(toy, PackNet, per_channel=PerChannel.FIRST)
    assert own.stored_parameters() == WEIGHTS
    assert learnt(own, 2).stored_parameters() == WEIGHTS + 2 * (CHANNELS + HEAD)
    assert learnt(first, 2).stored_parameters() == WEIGHTS + CHANNELS + 2 * HEAD
    assert own.mask_bits() == 2 * WEIGHTS  # nobody, first, second: two bits each
    assert learnt(built(toy, WSN), 3).mask_bits() == 3 * WEIGHTS
    assert learnt(built(toy, Piggyback), 3).mask_bits() == 2 * WEIGHTS
    assert learnt(built(toy, SupSup), 3).mask_bits() == (3 + 1) * WEIGHTS
    assert learnt(built(toy, SupSup), 3).stored_parameters() == 3 * (CHANNELS + HEAD)
    assert learnt(built(toy, HAT), 3).mask_bits() == 3 * (6 + 12)


def test_packnet_shares_the_weights_equally_and_uses_all(toy):
    model = learnt(built(toy, PackNet), 3)
    for name, n in (("0.weight", 108), ("5.weight", 288)):
        counts = torch.bincount(model.owner_of(name).flatten().long(), minlength=4)
        assert counts.tolist() == [0, n // 3, n // 3, n // 3]


def test_packnet_keeps_the_largest_and_prunes_a_given_share(toy):
    model = built(toy, PackNet, prune_ratio=0.75)
    model.begin(0)
    weight = model.weight("5.weight").detach().clone()
    model.prune()
    kept = model.owner_of("5.weight") == 1
    assert int(kept.sum()) == 288 // 4
    assert weight[kept].abs().min() >= weight[~kept].abs().max()
    model.finish(0)
    model.begin(1)
    assert torch.equal(model.weights(1)["5.weight"] != 0, kept)  # the cut start at zero


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_packnet_refuses_a_share_out_of_range(toy, ratio):
    with pytest.raises(ValueError, match="prune_ratio="):
        built(toy, PackNet, prune_ratio=ratio)


@pytest.mark.parametrize("kind", [SupSup, WSN])
def test_density_is_the_share_of_weights_in_a_mask(toy, kind):
    model = learnt(built(toy, kind, density=0.25), 1)
    assert model.density(0) == pytest.approx(0.25, abs=1e-3)
    with pytest.raises(ValueError, match="density=0"):
        built(toy, kind, density=0)


@pytest.mark.parametrize(
    ("kind", "rank"), [(WSN, torch.abs), (SupSup, torch.clone), (Piggyback, torch.clone)]
)
def test_scores_move_towards_the_masks_that_lower_the_loss(toy, kind, rank):
    """Where the loss wants a weight it rises in rank, whatever the sign of its score."""
    model, name = learnt(built(toy, kind), 1), "5.weight"
    model.begin(1)  # Piggyback's first task trains weights
    scores, wanted = model.scores_of(name), torch.randn(model.weight(name).shape)
    with torch.no_grad():
        scores.normal_()
    (gradient,) = torch.autograd.grad((model.weights(1)[name] * wanted).sum(), [scores])
    moved = rank(scores.detach() - 1e-3 * gradient) - rank(scores.detach())
    asked = -(model.source(name) * wanted).detach()
    there = (asked.abs() > 1e-2) & (scores.detach().abs() > 1e-2)
    assert {False, True} == set((scores < 0)[there].tolist())
    mask = (model.weights(1)[name] != 0) | (model.source(name) == 0)
    assert rank(scores)[mask].min() >= rank(scores)[~mask].max()
    assert torch.equal(moved[there].sign(), asked[there].sign())


def test_supsup_weights_are_signed_constants_and_never_trained(toy):
    model = built(toy, SupSup)
    before = model.weight("5.weight").detach().clone()
    assert torch.allclose(before.abs(), torch.tensor(math.sqrt(2 / 24)))
    trained(toy, model, TaskPlugin(), epochs=1)
    assert torch.equal(model.weight("5.weight"), before)


def test_piggyback_trains_its_weights_in_the_first_task_only(toy):
    model = built(toy, Piggyback)
    model.begin(0)
    assert model.weight("5.weight").requires_grad
    assert not model.scores_of("5.weight").requires_grad
    model.finish(0)
    model.begin(1)
    assert not model.weight("5.weight").requires_grad
    assert model.scores_of("5.weight").requires_grad
    assert torch.equal(model.weights(1)["5.weight"], model.weight("5.weight"))


def test_wsn_capacity_is_that_of_the_paper(toy):
    """Half the weights used by the first task, and again the same half by the second."""
    model = learnt(built(toy, WSN, density=0.5), 2)
    assert model.capacity() == pytest.approx(0.5 + 0.22 * 2 / 32)


def test_wsn_trains_only_weights_that_no_task_uses(toy):
    model = learnt(built(toy, WSN), 1)
    model.begin(1)
    with torch.no_grad():
        for name in model.weight_names():
            model.scores_of(name).normal_()  # another mask than the first task's
    model(toy.data(1)[0], 1).sum().backward()
    gradient = model.weight("5.weight").grad
    assert (gradient[model.used("5.weight")] == 0).all()
    assert gradient.abs().max() > 0


def test_hat_moves_only_what_is_not_protected(toy):
    model = learnt(built(toy, HAT), 1)
    for buffer in model.protected.buffers():
        buffer.copy_((torch.arange(len(buffer)) % 2).float())
    before = {name: model.weight(name).detach().clone() for name in model.weight_names()}
    strategy = toy.strategy(model, [HATPlugin()], 1, weight_decay=0.1)
    strategy.train(toy.stream()[1])
    for name, old in before.items():
        held = model.plasticity(name)
        moved = (model.weight(name) - old).abs()
        odd = torch.arange(len(old)) % 2 == 1
        both = odd
        if name == "5.weight":  # four positions of each of the six channels
            both = odd[:, None] & (torch.arange(24) // 4 % 2 == 1)
        assert moved[both].max() == 0
        assert moved[~both].max() > 0
        assert held[both].abs().max() == 0  # a later task can only protect more


def test_hat_gradients_of_embeddings_are_those_of_the_unit_slope(toy):
    """Equation 5: the compensated gradient is that of sigmoid(e), times s_max."""
    model = built(toy, HAT, largest_slope=50.0)
    model.begin(0)
    model.slope = 3.0
    key = "5__weight"
    embedding = model.embeddings[key]
    with torch.no_grad():
        embedding.copy_(torch.linspace(-2, 2, 12))
    model.gate("5.weight", 0).sum().backward()
    model.compensate()
    gate = torch.sigmoid(embedding.detach())
    assert torch.allclose(embedding.grad, 50.0 * gate * (1 - gate), rtol=1e-4)


def test_hat_price_counts_gates_that_open_free_units(toy):
    model = learnt(built(toy, HAT), 1)
    for buffer in model.protected.buffers():
        buffer.zero_()
    model.protected.get_buffer("5__weight")[:6] = 1
    model.begin(1)
    with torch.no_grad():
        for embedding in model.embeddings.values():
            embedding.fill_(-6.0)
        model.embeddings["5__weight"].fill_(6.0)
    assert float(model.openness().detach()) == pytest.approx(6 / 12)  # of 6 + 6 free units


def test_hat_refuses_a_network_that_is_no_chain():
    nested = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="plain chain"):
        HAT(nested, [0])


def test_structured_drops_what_only_dropped_units_have_read():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 3),
        nn.ReLU(),
        nn.Linear(3, 2),
    ).eval()
    with torch.no_grad():
        network[6].weight[:, 2] = 0
        network[4].weight[:2, :8] = (
            0  # convolution units 0 and 1 are read by linear unit 2 only
        )
    smaller = structured(network)
    assert smaller[0].weight.shape == (2, 1, 3, 3)
    assert smaller[1].num_features == 2
    assert smaller[4].weight.shape == (2, 8)
    x = torch.randn(5, 1, 4, 4)
    assert torch.allclose(smaller(x), network(x), atol=1e-6)


def test_a_batch_of_several_tasks_in_one_experience_is_refused():
    plugin = TaskPlugin()
    strategy = SimpleNamespace(experience=SimpleNamespace(task_labels=[0, 1]), model=None)
    with pytest.raises(ValueError, match="masks are of one task each"):
        plugin.before_training_exp(strategy)


def test_shared_weights_move_and_values_of_a_tasks_own_stay(toy):
    model = built(toy, SharedWeights)
    strategy = toy.strategy(model, [TaskPlugin()], epochs=2)
    stream = toy.stream()
    strategy.train(stream[0])
    before = model.network_for(0).state_dict()
    strategy.train(stream[1])
    after = model.network_for(0).state_dict()
    weights = {"0.weight", "5.weight"}
    assert {name for name in before if not torch.equal(before[name], after[name])} == weights
    assert torch.equal(after["5.weight"], model.network_for(1)[5].weight)
    assert model.mask_bits() == 0
