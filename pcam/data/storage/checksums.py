"""The MD5 of PatchCamelyon's official files.

The official README lists the checksums of valid and test in each other's place (basveeling/pcam,
issues 1 and 4). Here they are as the files of Zenodo record 2546921 have them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

BLOCK = 1 << 20  # bytes read at a time
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
# The csv of slide names. Which of the two is valid's and which is test's is reported as swapped
# too, so they are not assigned to a split here: the labels decide (`pcam.data.sources.pcam`).
TRAIN_META = "5a3dd671e465cfd74b5b822125e65b0a"
VALID_OR_TEST_META = ("3455fd69135b66734e1008f3af684566", "67589e00a4a37ec317f2d1932c7502ca")


def md5(path: Path) -> str:
    """Return the MD5 of a file, 32 hexadecimal digits; a progress bar shows on slow ones."""
    digest = hashlib.md5(usedforsecurity=False)
    size = path.stat().st_size
    title = f"checking {path.name}"
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=title, disable=None, leave=False)
    with path.open("rb") as file, bar:
        while block := file.read(BLOCK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


def official(path: Path) -> str | None:
    """Return the official .h5 that a file's content is, such as "valid_y"; None for other files."""
    digest = md5(path)
    for part, (_, known) in HDF5.items():
        if known == digest:
            return part
    return None
