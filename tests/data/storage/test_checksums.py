from itertools import chain

from pcam.data.storage import checksums
from tests.data.audit.planted import SIZES


def test_checksums_are_those_of_the_files_not_of_the_readme() -> None:
    table = checksums.HDF5
    assert set(table) == {f"{split}_{part}" for split in SIZES for part in "xy"}
    assert table["valid_y"] == (
        "2b85f58b927af9964a4c15b8f7e8f179",
        "94d8aacc249253159ce2a2e78a86e658",
    )
    digests = [*chain(*table.values()), checksums.TRAIN_META, *checksums.VALID_OR_TEST_META]
    assert len({digest for digest in digests if len(digest) == 32}) == 15
