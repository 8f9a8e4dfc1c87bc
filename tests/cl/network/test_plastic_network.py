"""Labels, heads and precisions of the plastic network."""

import copy

import pytest
import torch
from torch import nn

from cgap_cl import (
    PlasticNetwork,
)
from cgap_cl.blocks.inheriting import Birth

X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))
NEXT_NUMBER = 0.6694296002388  # at revision 412adc2, whose runs equal the committed records


def test_a_revisited_head_reads_what_the_old_one_read(network):
    """Labels 0, 1, 2, 1: the head that is continued shares units of block 0."""
    network.eval().sprout(0, 3)
    network.merge()
    last = network.layout.groups[-1]
    network.sprout(1, 3, Birth(ancestor=0, share={last: [0]}))
    nn.init.normal_(dict(network.column.head.sources())[0].op.weight)
    network.merge()
    network.sprout(2, 3)
    network.merge()
    old = network(X, 1)
    column = network.sprout(1, 4)
    assert column.head.own.weight.shape == (4, network.block(1).widths[last])
    torch.testing.assert_close(network(X, 1)[:, :3], old)


def test_a_label_that_returns_goes_on_from_its_own_block(network):
    for label in (0, 1):
        network.sprout(label, 3)
        network.merge()
    for birth in (Birth(ancestor=1), Birth(network.layout.scaled(0.5))):
        with pytest.raises(
            ValueError, match=r"task 0 was learned before.* Birth\(ancestor=0\)"
        ):
            network.sprout(0, 3, birth)
        assert network.column is None
    assert network.sprout(0, 3, Birth(ancestor=0)).label == 0


pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:avalanche",
    "ignore:No loggers specified:UserWarning",
    "ignore:.*update.*deprecated:DeprecationWarning",
    "ignore:Metric .* used by the Early",
    "ignore:Converting a tensor with requires_grad:UserWarning",
)


def test_a_batch_of_old_rows_changes_nothing(network):
    network.sprout(0, 3)
    network.merge()
    network.sprout(1, 3)
    network.train()
    optimizer = torch.optim.SGD(network.live_parameters(), lr=1.0, momentum=0.9)
    before = copy.deepcopy(network.state_dict())
    network(X, torch.zeros(7, dtype=torch.int64)).sum().backward()
    optimizer.step()
    for key, value in network.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, before[key])


def test_labels(network):
    network.sprout(0, 2)
    network.merge()
    assert network(X).shape == (7, 2)
    network.sprout(1, 3)
    network.merge()
    with pytest.raises(ValueError, match="give task_labels"):
        network(X)
    with pytest.raises(ValueError, match="unknown task label '5'"):
        network.subnetwork(5)
    assert torch.equal(network(X, 9), network(X, 9))
    mixed = network(X, torch.tensor([0, 1, 0, 1, 9, 0, 1]))
    torch.testing.assert_close(mixed[1], network(X, 1)[1])
    assert mixed[0, 2] < -1e3


def test_a_revisited_label_keeps_its_old_classes(network):
    network.sprout(0, 2)
    network.merge()
    old = network.eval()(X, 0)
    network.sprout(0, 4)
    torch.testing.assert_close(network.eval()(X, 0)[:, :2], old)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precisions(architectures, dtype):
    """float64 throughout, and bfloat16 autocast."""
    double = dtype is torch.float64
    x = X.double() if double else X
    reference = architectures["chain"]()
    network = PlasticNetwork(reference.double() if double else reference, x).train()
    network.sprout(0, 2)
    network.merge()
    network.sprout(1, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not double):
        logits = network(x, torch.tensor([0, 1] * 3 + [1]))
    logits.float().sum().backward()
    assert logits.dtype == dtype
    assert all(p.grad is not None for p in network.live_parameters())


def test_unknown_classes_are_never_predicted(network):
    network.sprout(0, 2)
    network.eval().n_outputs = 5
    assert network(X, 0).shape == (7, 5)
    assert (network(X, 0).argmax(1) < 2).all()
    assert (network(X, 3).argmax(1) < 5).all()
    assert network.train()(X, 0).shape == (7, 2)


def test_negative_labels_are_refused(network):
    network.sprout(0, 2)
    network.merge()
    with pytest.raises(ValueError, match="0 or more, not -2"):
        network(X, -2)


def test_inputs_of_another_size_than_priced_are_told_once(network):
    network.sprout(0, 2)
    with pytest.warns(
        UserWarning, match=r"inputs of shape \(2, 6, 6\) and is given \(2, 9, 9\)"
    ):
        network(torch.zeros(2, 2, 9, 9))
    network(torch.zeros(2, 2, 9, 9))  # once


def test_hooks_that_do_not_fire_are_told_once(network):
    """A merged task runs as another module than its block."""
    network.sprout(0, 2)
    network.merge()
    seen = []
    network.block(0).layer("0").register_forward_hook(lambda *_: seen.append(1))
    with pytest.warns(UserWarning, match="put them there"):
        network.eval()(X, 0)
    assert not seen
    network(X, 0)  # once
    plain = network.subnetwork(0)
    plain[0].register_forward_hook(lambda *_: seen.append(1))
    plain(X)
    assert seen


def test_an_average_is_kept_of_a_structure_that_no_longer_changes(network):
    """As the card says: after the last change of an experience, or of a subnetwork."""
    network.eval().sprout(0, 2)
    average = torch.optim.swa_utils.AveragedModel(network)
    average.update_parameters(network)
    torch.testing.assert_close(average.module(X, 0), network(X, 0))


def test_committed_records_depend_on_how_many_random_numbers_a_network_takes():
    """What is drawn next is what was drawn next when the records in ``results`` were made.

    The probe's merged network and the first column draw initial values; a change of how many
    gives other trainings under an unchanged ``run_id``.
    """
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)]
    reference = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192, 10))
    PlasticNetwork(reference, torch.zeros(2, 1, 8, 8))
    assert torch.rand(1).item() == NEXT_NUMBER


def visited(network, call):
    """The merged blocks of which a call touches a module."""
    seen = set()
    for index in range(network.n_merged):
        for module in network.block(index).modules():

            def note(*_, _index=index, **__):
                seen.add(_index)

            module.train = module._apply = note
    call()
    for index in range(network.n_merged):
        for module in network.block(index).modules():
            del module.train, module._apply
    return seen


def test_what_every_experience_does_to_all_modules_leaves_merged_blocks_alone(network):
    """Walks through them would make the hundredth experience slower than the tenth."""
    for label in range(3):
        network.sprout(label, 3)
        network.merge()
    column = network.sprout(3, 3)
    for call in (network.train, network.eval, lambda: network.to("cpu", torch.float32)):
        assert not visited(network, call)
        assert column.training is (call == network.train)
    assert visited(network, network.double) == {0, 1, 2}


@pytest.mark.parametrize(
    "wanted", [("cpu", torch.float64), (torch.zeros((), dtype=torch.float64),)]
)
def test_to_takes_along_all_that_is_not_there_yet(network, wanted):
    network.sprout(0, 3)
    network.merge()
    network.sprout(1, 3)
    assert network.to(*wanted) is network
    tensors = [t for t in network.state_dict().values() if isinstance(t, torch.Tensor)]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float64}
    assert network.to() is network
    with pytest.raises(TypeError, match="floating point"):
        network.to(torch.int64)
    network.column.half()  # alone, by hand
    assert network.to(*wanted).column.head.own.weight.dtype == torch.float64


def test_merged_blocks_are_in_eval_mode_wherever_they_come_from(network):
    network.sprout(0, 3)
    network.merge()
    network.sprout(1, 3)
    other = copy.deepcopy(network).train()
    other.discard()  # another structure: all blocks are made anew
    other.load_state_dict(network.state_dict())
    for one in (copy.deepcopy(network).train(), other):
        assert not [m for m in one.block(0).modules() if m.training]
        assert all(m.training for m in one.column.modules())
