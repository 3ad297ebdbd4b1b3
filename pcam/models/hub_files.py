"""The files of a published network: in a folder, or on the Hugging Face hub."""

from pathlib import Path

from pcam.errors import ConfigError, WeightsError

HUB = ("hf-hub:", "hf_hub:")
FOLDER = "local-dir:"
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_published_name(name: str) -> bool:
    """Return whether ``model.name`` names a hub's network or a folder."""
    return name.startswith((*HUB, FOLDER))


def find_files(name: str) -> "FolderFiles | HubFiles":
    """Return the files of a published network, without asking the hub.

    Args:
        name: hf-hub:ORG/NAME or local-dir:DIR.

    Raises:
        ConfigError: a hub's name has another form, or a folder does not exist.
    """
    return FolderFiles(name) if name.startswith(FOLDER) else HubFiles(name)


class FolderFiles:
    """The files of ``local-dir:DIR``."""

    def __init__(self, name: str) -> None:
        self.folder = Path(name.removeprefix(FOLDER)).expanduser().absolute()
        if not self.folder.is_dir():
            raise ConfigError(f"model.name={name}: the folder {self.folder} does not exist")

    def find(self, *names: str) -> Path:
        """Return the first of some files that is there.

        Raises:
            WeightsError: none is.
        """
        for name in names:
            if (self.folder / name).is_file():
                return self.folder / name
        raise WeightsError(f"{self.folder} has no {' or '.join(names)}")

    def find_optional(self, name: str) -> Path | None:
        """Return a file; None if it is not there."""
        path = self.folder / name
        return path if path.is_file() else None


class HubFiles:
    """The files of ``hf-hub:ORG/NAME`` or ``hf-hub:ORG/NAME@REVISION``."""

    def __init__(self, name: str) -> None:
        repository, _, revision = name.partition(":")[2].partition("@")
        if repository.count("/") != 1 or "" in repository.split("/"):
            raise ConfigError(f"model.name={name} must be hf-hub:ORG/NAME")
        self.repository = repository
        self.revision = revision or None

    def find(self, *names: str) -> Path:
        """Return the first of some files that the hub, or its cache on this machine, has.

        Raises:
            WeightsError: none can be had; says how to get them.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
        )

        from pcam.models.downloads import offline_if_unreachable

        unreached: Exception | None = None
        with offline_if_unreachable():
            for name in names:
                try:
                    return Path(hf_hub_download(self.repository, name, revision=self.revision))
                except GatedRepoError as error:
                    raise WeightsError(self._advice("needs access: ask for it there")) from error
                except LocalEntryNotFoundError as error:
                    unreached = error  # another of the files may be on this machine
                except EntryNotFoundError:
                    continue
                except (HfHubHTTPError, OSError, ValueError) as error:
                    reason = "is not known to the hub, or needs a login"
                    raise WeightsError(self._advice(reason)) from error
        if unreached is not None:
            reason = "is not on this machine, and the hub cannot be reached"
            raise WeightsError(self._advice(reason)) from unreached
        raise WeightsError(self._advice(f"has no {' or '.join(names)}"))

    def find_optional(self, name: str) -> Path | None:
        """Return a file that the hub, or its cache on this machine, has; None if it has none.

        Raises:
            WeightsError: the hub cannot be reached, so whether it has the file is not known.
        """
        from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

        cached = try_to_load_from_cache(self.repository, name, revision=self.revision)
        if cached is _CACHED_NO_EXIST:
            return None
        try:
            return self.find(name)
        except WeightsError as error:
            if error.__cause__ is None:  # the hub has answered that there is no such file
                return None
            raise

    def _advice(self, reason: str) -> str:
        files = " ".join(f"--include '{pattern}'" for pattern in ("*.json", *WEIGHTS))
        return (
            f"hf-hub:{self.repository} {reason}; log in (hf auth login), or get the files on a"
            f" machine that can (hf download {self.repository} {files} --local-dir DIR) and set"
            " model.name=local-dir:DIR"
        )
