"""What PatchCamelyon's official files are known by: their MD5.

The official README lists the checksums of valid and test the wrong way round (basveeling/pcam, issues 1 and 4); here they
are as the files of Zenodo record 2546921 have them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

STEM = "camelyonpatch_level_2_split_"

# part of a split → MD5 of its .h5.gz, MD5 of its .h5
HDF5: Mapping[str, tuple[str, str]] = {
    "train_x": ("1571f514728f59376b705fc836ff4b63", "01844da899645b4d6f84946d417ba453"),
    "train_y": ("35c2d7259d906cfc8143347bb8e05be7", "0781386bf6c2fb62d58ff18891466aca"),
    "valid_x": ("d5b63470df7cfa627aeec8b9dc0c066e", "81cf9680f1724c40673f10dc88e909b1"),
    "valid_y": ("2b85f58b927af9964a4c15b8f7e8f179", "94d8aacc249253159ce2a2e78a86e658"),
    "test_x": ("d8c2d60d490dbd479f8199bdfa0cf6ec", "2614b2e6717d6356be141d9d6dbfcb7e"),
    "test_y": ("60a7035772fbdb7f34eb86d4420cf66a", "11ed647efe9fe457a4eb45df1dba19ba"),
}
# The csv of slide names. Which of the two is valid's and which is test's is reported as swapped too, so no name is given
# to them here: the labels say which one to believe (`pcam.data.sources.pcam`).
TRAIN_META = "5a3dd671e465cfd74b5b822125e65b0a"
VALID_OR_TEST_META = ("3455fd69135b66734e1008f3af684566", "67589e00a4a37ec317f2d1932c7502ca")


def md5(path: Path) -> str:
    """Return a file's MD5, as 32 hexadecimal digits, with a progress bar for what takes a while."""
    digest = hashlib.md5(usedforsecurity=False)
    size, title = path.stat().st_size, f"checking {path.name}"
    with (
        path.open("rb") as file,
        tqdm(total=size, unit="B", unit_scale=True, desc=title, disable=None, leave=False) as bar,
    ):
        while block := file.read(1 << 20):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


def official(path: Path) -> str | None:
    """Return which official .h5 a file is by its content, "valid_y" for one; None for any other file."""
    digest = md5(path)
    return next((part for part, (_, known) in HDF5.items() if known == digest), None)
