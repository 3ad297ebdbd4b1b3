"""Exported folders on the Hugging Face hub."""

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


def upload(folder: Path, repository: str) -> str:
    """Upload a folder; return its address.

    Args:
        folder: with all files.
        repository: ORG/NAME, created if it is new, private.

    Raises:
        ConfigError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        address = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=repository)
    except Exception as error:  # its client raises errors of several libraries
        raise ConfigError(f"to=hub:{repository}: {describe_error(error)}") from error
    return str(address)
