"""Networks of timm, as they are; a few units of each, so that it takes seconds."""

import pytest
import torch

from cgap_cl import PlasticNetwork

timm = pytest.importorskip("timm", reason="extra `dev` is not installed")

# of each a small one: mobile blocks with gates, grouped convolutions, residual sums over deep
# aggregation, concats, layer norm and layer scale
NETWORKS = [
    "lcnet_035",
    "regnetx_002",
    "dla46_c",
    "resnet10t",
    "convnext_atto",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("mobilenetv3_small_050", "tinynet_e", "mnasnet_small", "regnety_002")
    ),
]
X = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_are_one_network_and_keep_their_logits(name, grown, error):
    torch.manual_seed(0)
    reference = timm.create_model(name, pretrained=False, num_classes=3).double()
    network, logits = grown(reference, X, n_blocks=2)
    for label, old in enumerate(logits):
        assert torch.equal(network(X, label), old)
        assert torch.equal(network.subnetwork(label)(X), old)
    assert error(network.merged()(X), torch.cat(logits, 1)) <= 1e-11

    other = PlasticNetwork(reference, X).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(X, 0), logits[0])


def test_attention_is_refused_by_name():
    from cgap_cl import UnsupportedNetworkError

    reference = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=32, depth=1)
    with pytest.raises(UnsupportedNetworkError, match=r"blocks\.0\.attn.* attention"):
        PlasticNetwork(reference, torch.zeros(2, 3, 32, 32))
