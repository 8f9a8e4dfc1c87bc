"""Files of public datasets: fetched where there is a network, checked before they are read."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATA_VARIABLE, DATASETS


def ensure_files(
    title: str,
    root: Path,
    folder: Path,
    files: Mapping[str, str | None],
    fetch: Callable[[], object] | None = None,
) -> None:
    """See to it that files are there and intact.

    Args:
        title: What people call the dataset.
        root: Data root.
        folder: Where the files are, below the root.
        files: Name of each file -> its md5, None where there is no official one.
        fetch: Downloads them all; None where they have to be brought by hand.

    Raises:
        UsageError: A file is missing or damaged.
    """
    absent = [name for name in files if not (folder / name).exists()]
    if absent and fetch is None:
        raise UsageError(
            f"{title} is not in {folder} ({absent[0]} is missing).{_advice(root, folder)}"
        )
    if absent and fetch is not None:
        download(fetch, title, root, folder)

    for name, md5 in files.items():
        if md5 is not None:
            _check_md5(folder / name, md5)


def download(fetch: Callable[[], object], title: str, root: Path, folder: Path) -> None:
    """Fetch a dataset.

    Raises:
        UsageError: It cannot be had; the message says what to do.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        fetch()
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"{title} is not in {folder} and could not be downloaded ({reason})."
            f"{_advice(root, folder)}"
        ) from error


def _advice(root: Path, folder: Path) -> str:
    free = [name for name in DATASETS.names() if not DATASETS[name].needs_download]
    inside = f" contains {folder.relative_to(root)}/" if folder != root else " has them"
    return (
        f" Point to existing files with --data-root FOLDER or {DATA_VARIABLE}=FOLDER, where"
        f" FOLDER{inside}; benchmarks on {', '.join(free)} need no download"
    )


def _check_md5(path: Path, expected: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise UsageError(
            f"{path} is damaged: {path.stat().st_size} bytes with md5 {digest.hexdigest()},"
            f" expected md5 {expected}; delete it and run again, or copy an intact file there"
        )
