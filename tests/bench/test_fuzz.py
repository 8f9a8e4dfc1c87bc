"""Whatever files and settings hold: one line for the user, soon, in little memory.

300 cases here; `make soak` raises CGAP_CL_FUZZ to 5,000.
"""

import copy
import json
import os
import re
import resource
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.identity import run_id
from cgap_bench.record.store import read_records
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import known_keys, resolve, variants
from cgap_bench.run.seeds import parse_seeds
from cgap_bench.shapes.sources import load_source
from cgap_bench.show import files, report
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.page.page import html_page
from cgap_cl import Birth, PlasticNetwork
from cgap_hw import CostModelError, LayerShape, load_board, network_cost
from cgap_hw.boards.catalogue import load_array
from cgap_hw.evidence.measured import read_measured
from cgap_hw.evidence.validate import price_rows

ROOT = Path(__file__).parents[2]
N_CASES = int(os.environ.get("CGAP_CL_FUZZ", "300"))
N_TARGETS = 8
LIMIT_S = 10 if N_CASES > 300 else 60  # CI may have other things to do
LIMIT_BYTES = 500 * 2**20

fuzzed = settings(
    max_examples=-(-N_CASES // N_TARGETS),
    deadline=None,
    database=None,
    derandomize=N_CASES <= 300,
    suppress_health_check=list(HealthCheck),
)

TOKENS = [
    *("0", "-1", "1", "3", "1e400", "-1e308", "1e-308", "nan", "inf", "1" * 400, "9" * 5000),
    *("true", "false", '""', "'", '"', "[", "]", "{", "}", "[" * 3000, "=", "#", "\\", "\0"),
    *(
        "../../evil",
        "/etc/evil",
        '"../evil"',
        "\x1b[31m",
        "<script>",
        "=1+1",
        "|",
        "\n",
        "%",
        "_",
    ),
    *(
        "\udcff",
        "a.b.c",
        "a." * 300,
        "none",
        "conv",
        "cgap",
        "[1, 2]",
        "{ x = 1 }",
        "1e18",
        "2.5",
    ),
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 1e308, -1e308, 1e-308, 0.5]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["../../evil", "\x1b[31m", "<script>|", "=1+1", "[/b]", "n" * 3000, "$x^", "{\\"]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


class _Watch:
    """What is written, by the hooks that Python calls for it."""

    def __init__(self):
        self.folder, self.outside = None, []
        sys.addaudithook(self.look)

    def look(self, event, arguments):
        if self.folder is None:
            return
        writing = event in ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink")
        if event == "open":
            flags = arguments[2] or 0
            writing = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writing and not isinstance(arguments[0], int):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(self.folder) and path != "/dev/null":
                self.outside.append((event, path))


WATCH = _Watch()


@contextmanager
def guarded(folder):
    """Ten seconds, 500 MB, no file outside a folder; only errors that a user can act on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (pages * resource.getpagesize() + LIMIT_BYTES, limit[1])
    )

    def late(*_):
        raise AssertionError(f"longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    WATCH.folder, WATCH.outside = os.path.realpath(folder), []
    said = ""
    try:
        yield
    except (UsageError, CostModelError) as error:
        said = str(error)
    finally:
        WATCH.folder = None
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limit)
    assert not WATCH.outside
    assert len(said) < 30_000


@st.composite
def mutants(draw, text):
    """A text with up to three of its tokens replaced, doubled or left out."""
    parts = re.findall(r"[\w.+-]+|\"[^\"\n]*\"|\s+|[^\s\w]", text)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(parts) - 1))
        parts[place] = draw(
            st.one_of(st.sampled_from([*TOKENS, "", parts[place] * 2]), st.text(max_size=8))
        )
    return "".join(parts).encode(
        "utf-8", "surrogateescape" if draw(st.booleans()) else "replace"
    )


def places(value, path=()):
    """Paths of all values within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from places(one, (*path, key))


@st.composite
def damaged(draw, content):
    """Plain values with up to two of them replaced or taken out."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 2))):
        found = list(places(content))
        if not found:
            break
        *parents, key = draw(st.sampled_from(found))
        inner = content
        for parent in parents:
            inner = inner[parent]
        if draw(st.integers(0, 5)) == 0:
            del inner[key]
        else:
            inner[key] = draw(VALUES)
    return content


RECIPE = (ROOT / "benchmarks/cgap_bench/recipes/split-digits.toml").read_text(encoding="utf-8")


@fuzzed
@given(mutants(RECIPE))
def test_recipes(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "mine.toml"
    path.write_bytes(content)
    with guarded(folder):
        name, recipe = load_recipe(str(path))
        made = resolve(name, recipe, None)
        parse_seeds(made.overlay.seeds)
        for method in made.overlay.methods:
            run_id(made.config(method, 0))
        variants(name, recipe, None)


@fuzzed
@given(st.sampled_from(sorted(known_keys())), st.one_of(st.sampled_from(TOKENS), st.text()))
def test_overrides(tmp_path_factory, key, text):
    name, recipe = load_recipe("split-digits")
    with guarded(tmp_path_factory.getbasetemp()):
        owner = key.partition(".")[0]
        made = resolve(name, recipe, None, [f"{key}={text}"])
        run_id(made.config(owner if owner in METHODS.names() else "fixed", 0))


@pytest.fixture(scope="module")
def platform():
    return Platform(load_board("zcu102"))


@fuzzed
@given(st.data())
def test_records(tmp_path_factory, make_record, platform, data):
    """Damaged ones, and such that are bound to the identity of what they hold."""
    folder = tmp_path_factory.mktemp("results")
    whole = make_record("cgap", 0)
    content = data.draw(damaged(json.loads(whole.model_dump_json())))
    identity = whole.run_id
    try:
        config = RunConfig.model_validate(content["config"])
        identity = content["run_id"] = run_id(config, content["depends_on"])
    except (ValueError, KeyError, TypeError):
        pass  # it cannot be one
    path = folder / "runs" / "toy" / f"{identity}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
    with guarded(folder):
        records = list(read_records(folder, tell=lambda line: None))
        for one in comparisons([*records, make_record("ewc", 0)], platform):
            texts = files.table_files(one, folder)
            for text in texts.values():
                assert "\x1b" not in text
                assert "<script" not in text
            assert "<script>|" not in html_page([one], folder)


PAGE = (
    "<!-- generated: share toy-standard 'cgap' fixed macs -->25 %<!-- end --> of\n"
    '<!-- generated: table toy-standard -->x<!-- end -->, "y"\n'
    "<!-- generated: figure toy-standard trade-off --><!-- end -->\n"
)


@fuzzed
@given(mutants(PAGE))
def test_pages(tmp_path_factory, make_record, platform, content):
    folder = tmp_path_factory.getbasetemp() / "pages"
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_bytes(content)
    known = comparisons([make_record("cgap", 0), make_record("fixed", 0)], platform)
    with guarded(folder):
        report._filled_pages(known, folder / "results", folder)


BOARD = (ROOT / "hardware/cgap_hw/boards/zcu104.toml").read_text(encoding="utf-8")
LAYERS = [
    LayerShape(name="a", kind="conv", n_in=3, n_out=16, in_h=32, in_w=32, out_h=32, out_w=32),
    LayerShape(name="b", kind="linear", n_in=16, n_out=10),
]


@fuzzed
@given(mutants(BOARD))
def test_boards(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "board.toml"
    path.write_bytes(content)
    with guarded(folder):
        load_array(str(path))
    with guarded(folder):
        assert network_cost(LAYERS, load_board(str(path)), bits=8).latency_ms > 0


TIMED = (
    "accelerator,network,layer_name,layer_type,nif,nof,nix,niy,nox,noy,nkx,nky,stride,latency_ns\n"
    "M32P64,net,conv1,Conv,3,16,32,32,32,32,3,3,1,52000\n"
    "M32P64,net,pool1,MaxPool,16,16,32,32,16,16,2,2,2,9000\n"
    "M32P64,net,fc,Gemm,256,10,1,1,1,1,1,1,1,4000\n"
)


@fuzzed
@given(mutants(TIMED))
def test_measured_layers(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "timed.csv"
    path.write_bytes(content)
    with guarded(folder):
        price_rows(read_measured(path))


def network():
    torch.manual_seed(0)
    layers = (nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
    return PlasticNetwork(nn.Sequential(*layers), torch.zeros(2, 6))


def grown():
    one = network()
    one.sprout(0, 3)
    one.merge()
    one.sprout(1, [4, 5], birth=Birth(ancestor=0))
    return one


STATE = grown().state_dict()


@fuzzed
@given(damaged(STATE["_extra_state"]), st.sampled_from(sorted(STATE)), st.integers(0, 3))
def test_states(tmp_path_factory, structure, key, what):
    """All or nothing: what was taken computes, what was not changed nothing."""
    state = copy.deepcopy(STATE) | {"_extra_state": structure}
    if what == 1 and key != "_extra_state":
        state[key] = state[key].flatten()[:-1]
    target = network()
    before = copy.deepcopy(target.state_dict())
    with guarded(tmp_path_factory.getbasetemp()):
        try:
            target.load_state_dict(state)
        except (ValueError, RuntimeError):
            after = target.state_dict()
            assert after.pop("_extra_state") == before.pop("_extra_state")
            assert all(torch.equal(after[name], value) for name, value in before.items())
        else:
            target(torch.zeros(2, 6), task_labels=next(iter(target.labels)))


onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")


def model():
    """A convolution, a pool, a product and a sum."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = {"w": (8, 3, 3, 3), "v": (8, 5)}
    nodes = [
        helper.make_node(
            "Conv", ["x", "w"], ["a"], "conv", pads=[1] * 4, strides=[1, 1], group=1
        ),
        helper.make_node("MaxPool", ["a"], ["b"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("ReduceMean", ["b"], ["c"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["c", "v"], ["d"], "product"),
        helper.make_node("Add", ["d", "d"], ["y"], "sum"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", kind, None)],
        [
            helper.make_tensor(n, kind, s, [0.0] * torch.Size(s).numel())
            for n, s in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


NUMBERS = st.sampled_from([0, -1, 1, 2, 7, 2**20, 2**31, 2**40, 2**62])


def _attribute(draw, node, made):
    if node.attribute:
        attribute = draw(st.sampled_from(list(node.attribute)))
        if attribute.ints:
            attribute.ints[draw(st.integers(0, len(attribute.ints) - 1))] = draw(NUMBERS)
        else:
            attribute.i = draw(NUMBERS)


def _kind(draw, node, made):
    node.op_type = draw(st.sampled_from(["Conv", "Gemm", "LSTM", "Einsum", "Resize", "Tile"]))


def _input_less(draw, node, made):
    if node.input:
        del node.input[draw(st.integers(0, len(node.input) - 1))]


def _input_else(draw, node, made):
    if node.input:
        node.input[0] = draw(st.sampled_from(["y", "w", "v", "x", "", "absent"]))


def _weights(draw, node, made):
    tensor = draw(st.sampled_from(list(made.graph.initializer)))
    tensor.dims[draw(st.integers(0, len(tensor.dims) - 1))] = draw(NUMBERS)


def _size(draw, node, made):
    dims = made.graph.input[0].type.tensor_type.shape.dim
    dims[draw(st.integers(0, 3))].dim_value = draw(NUMBERS)


def _no_attributes(draw, node, made):
    del node.attribute[:]


CHANGES = (_attribute, _kind, _input_less, _input_else, _weights, _size, _no_attributes)


@st.composite
def models(draw):
    """A model with something changed that its checker may not look at."""
    made = model()
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from(CHANGES))(draw, draw(st.sampled_from(list(made.graph.node))), made)
    return made.SerializeToString()


@fuzzed
@given(models())
def test_onnx_files(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "model.onnx"
    path.write_bytes(content)
    with guarded(folder):
        source = load_source(str(path))
        for layers in source.networks.values():
            network_cost(layers, load_board("zcu104"), bits=8)
