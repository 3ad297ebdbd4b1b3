"""The files that the benchmarks read, in PatchCamelyon's official layout."""

from pathlib import Path

import h5py
import numpy as np
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.cli.config import plain
from pcam.config.schema import TrainConfig
from pcam.config.validation import validate
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.storage.checksums import STEM

BATCH = 64  # patches
RENDERED = 1000  # different synthetic patches; a larger file repeats them


def write_synthetic_files(root: Path, size: int, other: int = BATCH) -> None:
    """Write synthetic patches.

    Args:
        root: the folder.
        size: number of training patches.
        other: number of patches of valid, and of test.
    """
    for split, count in (("train", size), ("valid", other), ("test", other)):
        source = SyntheticSource(split, min(count, RENDERED))
        patches = source.read(np.arange(len(source)))
        with h5py.File(patches_path(root, split), "w") as file:
            file["x"] = np.resize(patches, (count, 96, 96, 3))
        with h5py.File(labels_path(root, split), "w") as file:
            file["y"] = np.resize(source.labels, (count, 1, 1, 1))


def repeat_files(source: Path, root: Path, size: int, other: int) -> None:
    """Write patches of a folder's files into another, repeated where there are too few.

    Args:
        source: folder of the files that are read.
        root: the folder to write into.
        size: number of training patches.
        other: number of patches of valid, and of test.
    """
    for split, count in (("train", size), ("valid", other), ("test", other)):
        for path, key in ((patches_path(source, split), "x"), (labels_path(source, split), "y")):
            with h5py.File(path) as file:
                values = file[key][:count]
            with h5py.File(root / path.name, "w") as file:
                file[key] = np.resize(values, (count, *values.shape[1:]))


def link_files(source: Path, root: Path) -> None:
    """Link the files of a folder into another."""
    for path in source.glob(f"{STEM}*"):
        (root / path.name).symlink_to(path.absolute())


def patches_path(root: Path, split: str) -> Path:
    """Return the file of a split's patches."""
    return root / f"{STEM}{split}_x.h5"


def labels_path(root: Path, split: str) -> Path:
    """Return the file of a split's labels."""
    return root / f"{STEM}{split}_y.h5"


def read_config(root: Path, aug: str, workers: int) -> TrainConfig:
    """Return the config of a training on these files."""
    overrides = [
        "data=pcam",
        f"data.root={root}",
        f"aug={aug}",
        f"data.batch_size={BATCH}",
        f"data.num_workers={workers}",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", overrides)
    return validate(TrainConfig, plain(composed))
