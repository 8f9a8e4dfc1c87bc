"""Files of datasets: what is said when they are missing or damaged."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS


def test_truncated_file_is_named_and_left_alone(tiny_cifar100):
    path = tiny_cifar100 / "cifar-100-python" / "train"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"train is damaged: 1000 bytes with md5"):
        DATASETS["cifar100"].load(tiny_cifar100)
    assert path.stat().st_size == 1000


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10", "cifar-10-batches-py/"),
        ("cifar100", "cifar-100-python/"),
        ("mnist", "MNIST/raw/"),
        ("fashion-mnist", "FashionMNIST/raw/"),
        ("svhn", None),
        ("omniglot", "omniglot-py/"),
    ],
)
def test_without_network_the_error_says_what_to_do(name, folder, tmp_path, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", refuse)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", refuse)
    with pytest.raises(UsageError) as caught:
        DATASETS[name].load(tmp_path)
    text = str(caught.value)
    assert "could not be downloaded (" in text
    assert "--data-root FOLDER or CGAP_CL_DATA=FOLDER" in text
    assert "benchmarks on digits need no download" in text
    assert folder is None or f"FOLDER contains {folder}" in text
    assert "\n" not in text


def test_files_that_nobody_may_download_are_asked_for(tmp_path):
    with pytest.raises(UsageError, match=r"notMNIST is not in .*\(train-images-idx3-ubyte is"):
        DATASETS["notmnist"].load(tmp_path)
