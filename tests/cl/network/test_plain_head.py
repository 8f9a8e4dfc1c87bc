"""Models of Avalanche with heads of their own as references."""

import pytest
import torch
from avalanche.models import (
    IncrementalClassifier,
    MTSimpleCNN,
    MTSimpleMLP,
    SimpleMLP,
    as_multitask,
)
from torch import nn

from cgap_cl import PlasticNetwork, UnsupportedNetworkError


class Incremental(nn.Module):
    """A head that masks the classes that it has not seen."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(72, 8), IncrementalClassifier(8, 4)

    def forward(self, x):
        return self.head(self.body(x.flatten(1)).relu())


MODELS = {
    "incremental": Incremental,
    "multi-head": lambda: MTSimpleMLP(input_size=72, hidden_size=8),
    "as_multitask": lambda: as_multitask(
        SimpleMLP(3, input_size=72, hidden_size=8), "classifier"
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:avalanche")
@pytest.mark.parametrize("name", MODELS)
def test_a_stream_with_task_labels(name, stream, strategy):
    """It learns beside heads of its own; the model given stays as it was."""
    reference = MODELS[name]()
    n_parameters = sum(p.numel() for p in reference.parameters())
    network = PlasticNetwork(reference, torch.zeros(2, 2, 6, 6))
    assert list(network.layout.widths.values()) == [8]
    host, logits = strategy(network), []
    x = stream.test_stream[0].dataset[0][0][None]
    for experience in stream.train_stream:
        host.train(experience)
        host.eval(stream.test_stream)
        logits.append(network(x, experience.task_label))
    for label, old in enumerate(logits):
        assert old.shape == (1, 3)
        assert float(old.detach().min()) > -100  # no class is masked
        assert torch.equal(network(x, label), old)
    assert sum(p.numel() for p in reference.parameters()) == n_parameters


def test_a_model_that_squeezes_is_refused_by_what_it_does():
    with pytest.raises(UnsupportedNetworkError, match=r"one row: does it squeeze\(\)"):
        PlasticNetwork(MTSimpleCNN(), torch.zeros(2, 3, 32, 32))
