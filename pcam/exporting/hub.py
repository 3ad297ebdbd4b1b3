"""Exported folders on the Hugging Face hub."""

from collections.abc import Sequence
from pathlib import Path

from pcam.errors import ConfigError, describe_error


def ensure_token() -> None:
    """Make sure that this machine may write to the hub, before anything is computed.

    Raises:
        ConfigError: no token is stored here.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise ConfigError(
            "to=hub:ORG/NAME needs a token: hf auth login, or set HF_TOKEN; dry_run=true writes "
            "the folder only"
        )


def upload(files: Sequence[Path], repository: str) -> str:
    """Upload files of a folder; return their address.

    Args:
        files: of one folder, whose other files stay here.
        repository: ORG/NAME, created if it is new, private.

    Raises:
        ConfigError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        address = api.create_repo(repository, private=True, exist_ok=True)
        names = [path.name for path in files]
        api.upload_folder(folder_path=files[0].parent, repo_id=repository, allow_patterns=names)
    except Exception as error:  # its client raises errors of several libraries
        raise ConfigError(f"to=hub:{repository}: {describe_error(error)}") from error
    return str(address)
