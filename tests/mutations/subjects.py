"""The kinds of input."""

from functools import cache

from tests.mutations.hdf5 import Hdf5
from tests.mutations.keys import AllKeys
from tests.mutations.pictures import Folder, Kaggle
from tests.mutations.run_folder import Run, Sweep
from tests.mutations.runner import Subject
from tests.mutations.tensors import Checkpoint, Weights


@cache
def subjects() -> dict[str, Subject]:
    """Return each kind of input by its name."""
    kinds = (Hdf5(), Kaggle(), Folder(), Checkpoint(), Weights(), Run(), Sweep(), AllKeys())
    return {one.name: one for one in kinds}
