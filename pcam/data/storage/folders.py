"""Folders of data."""

from pathlib import Path

from pcam.errors import DataError


def make_root(root: Path) -> None:
    """Create the folder ``data.root``.

    Raises:
        DataError: it cannot be created.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"data.root={root} cannot be created ({error})") from error
