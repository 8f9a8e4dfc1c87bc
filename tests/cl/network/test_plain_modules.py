"""merged() and subnetwork(task) are plain modules: copied, stored, exported, run elsewhere."""

import copy
import io
import warnings

import pytest
import torch

KINDS = ["subnetwork", "merged"]
NAMES = ["chain", "mlp", "residual", "depthwise", "concat", "pointwise"]
X = torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def make(architectures, grown):
    """A plain module of a network with laterals, every group of which grew and was pruned."""
    networks = {}

    def plain(name, kind):
        if name not in networks:
            networks[name] = grown(architectures[name]().double(), X.double())[0].float()
        network = networks[name]
        return network.subnetwork(2) if kind == "subnetwork" else network.merged()

    return plain


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_copies_and_stored_states_compute_the_same(name, kind, make):
    plain = make(name, kind)
    logits = plain(X)
    assert torch.equal(copy.deepcopy(plain)(X), logits)
    stored = io.BytesIO()
    torch.save(plain.state_dict(), stored)
    stored.seek(0)
    other = copy.deepcopy(plain)
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(other(X), logits)
    assert torch.equal(make(name, kind)(X), logits)  # each call makes one of its own
    assert not [p for p in plain.parameters() if p.requires_grad]
    assert not [m for m in plain.modules() if m.training]
    assert not [m for m in plain.modules() if type(m).__name__ == "PlasticLayer"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_torch_export(name, kind, make):
    """At any batch size."""
    plain = make(name, kind)
    batch = {0: torch.export.Dim("batch", min=2, max=64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(plain, (X,), dynamic_shapes=(batch,))
    for x in (X, X[:3]):
        torch.testing.assert_close(program.module()(x), plain(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_onnx(name, kind, make, tmp_path, error):
    """What onnxruntime computes differs by 1e-5 of the largest logit at most."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="extra `dev` is not installed")
    pytest.importorskip("onnxscript", reason="extra `dev` is not installed")
    plain = make(name, kind)
    logits = plain(X)
    for part, module in list(plain.named_modules()):
        if isinstance(module, torch.nn.AdaptiveMaxPool2d):  # torch has no ONNX form of it
            plain.set_submodule(part, torch.nn.MaxPool2d(2, 1))  # from 3x3 to 2x2 the same
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(plain, (X,), tmp_path / "net.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: X.numpy()})
    assert error(torch.from_numpy(found), logits) <= 1e-5
