"""Getting data to where its source reads it, once."""

from pcam.config.sections import DataConfig
from pcam.data.provider import source_provider


def obtain(data: DataConfig, address: str | None = None) -> list[str]:
    """Get what is missing of the files of a source, check it and convert it.

    Synthetic data and a user's own need nothing.

    Args:
        data: the config's ``data``.
        address: http or https address of a mirror of the official files; None for the official one.

    Returns:
        Notes for the user about files that were there already.

    Raises:
        DataError: files cannot be downloaded, or the disk is too small.
    """
    return source_provider(data).prepare(address)
