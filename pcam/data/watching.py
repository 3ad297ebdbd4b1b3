"""Whether the files that patches are read from are as they were when they were opened."""

from collections.abc import Iterable

from pcam.data.base import Concatenated, PatchSource, Subset, WatchedPatchSource
from pcam.data.file_state import PUT_BACK, FileState
from pcam.errors import DataError


def file_states(source: PatchSource) -> list[FileState]:
    """Return the states of the files of a source; none if it does not say which they are."""
    if isinstance(source, Subset):
        return file_states(source.whole)
    if isinstance(source, Concatenated):
        states: list[FileState] = []
        for part in source.parts:
            states += file_states(part)
        return states
    return list(source.file_states) if isinstance(source, WatchedPatchSource) else []


def refuse_changed(states: Iterable[FileState]) -> None:
    """Make sure that files are as they were.

    Raises:
        DataError: one was changed, deleted, or cannot be looked at.
    """
    for state in states:
        change = state.describe_change()
        if change is not None:
            raise DataError(f"{change}; {PUT_BACK}")
