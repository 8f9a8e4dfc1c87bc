"""CORe50 (Lomonaco and Maltoni 2017): fifty things filmed in eleven sessions."""

from dataclasses import replace
from pathlib import Path

import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS, Dataset, ImageData
from cgap_bench.learn.datasets.folder import images_of

SIZE = 32  # of the smaller of the two official sets of images
FOLDER = "core50_32x32"
TEST_SESSIONS = (3, 7, 10)  # as the authors have it
N_THINGS, THINGS_PER_CATEGORY = 50, 5


def _core50(root: Path) -> ImageData:
    """Sessions 3, 7 and 10 are for test; every other one is a domain, in its order.

    Its groups are the ten categories of five things each.
    """
    train, domains, test = [], [], []
    sessions = [n for n in range(1, 12) if n not in TEST_SESSIONS]
    for session in range(1, 12):
        for thing in range(1, N_THINGS + 1):
            files = _frames(root / FOLDER, session, thing)
            if session in TEST_SESSIONS:
                test += [(path, thing - 1) for path in files]
            else:
                train += [(path, thing - 1) for path in files]
                domains += [sessions.index(session)] * len(files)

    groups = tuple(
        tuple(range(first, first + THINGS_PER_CATEGORY))
        for first in range(0, N_THINGS, THINGS_PER_CATEGORY)
    )
    data = images_of(train, test, SIZE, root)
    return replace(data, groups=groups, train_domains=torch.tensor(domains))


def _frames(folder: Path, session: int, thing: int) -> list[Path]:
    """Files ``C_SS_OO_FFF.png`` of one thing in one session.

    Raises:
        UsageError: There are none.
    """
    files = sorted((folder / f"s{session}" / f"o{thing}").glob("C_*.png"))
    if not files:
        raise UsageError(
            f"CORe50 is not in {folder} (s{session}/o{thing} has no images); unpack"
            f" {FOLDER}.zip of its authors there"
        )
    return files


DATASETS.add("core50", Dataset(_core50, needs_download=True))
