"""Kaggle's files: downloaded with Kaggle's own command, and those to convert."""

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pcam.data.storage.folders import make_root
from pcam.data.storage.space import require_space
from pcam.errors import DataError
from pcam.runs.lock import lock_folder

COMPETITION = "histopathologic-cancer-detection"
HINT = "kaggle competitions download -c histopathologic-cancer-detection, unzip, set data.root"


def get_kaggle(root: Path) -> list[str]:
    """Download and unpack Kaggle's files, unless they are there.

    Kaggle requires an account, so its own command is used, where it is installed.

    Args:
        root: folder of the files.

    Returns:
        Notes for the user: none.

    Raises:
        DataError: the command is not installed, or fails, or the archive cannot be unpacked.
    """
    if (root / "train_labels.csv").is_file() and (root / "train").is_dir():
        return []
    archive = root / f"{COMPETITION}.zip"
    if not archive.is_file():
        _require_command(root)
    with lock_folder(root, "data.root"):
        if not archive.is_file():
            _download(root, archive)
        _unpack(root, archive)
    return []


def _require_command(root: Path) -> None:
    if shutil.which("kaggle") is None:
        raise DataError(
            f"{root} lacks train_labels.csv and train/. Kaggle requires an account: accept the"
            f" rules of the competition {COMPETITION} there, pip install kaggle, and run this"
            f" command again; or, by hand: {HINT}"
        )


def _download(root: Path, archive: Path) -> None:
    make_root(root)
    command = ["kaggle", "competitions", "download", "-c", COMPETITION, "-p", str(root)]
    status = subprocess.run(command, check=False).returncode
    if status or not archive.is_file():
        raise DataError(f"the command failed: {' '.join(command)}; see its own message above")


def _unpack(root: Path, archive: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            size = sum(entry.file_size for entry in entries)
            require_space(root, size, f"to unpack {archive.name}")
            # the table of labels last: its presence means that everything is there
            entries.sort(key=lambda entry: entry.filename == "train_labels.csv")
            for entry in entries:
                packed.extract(entry, root)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{archive} is not a whole zip file ({error}); move it away and run this command again"
        ) from error
    except OSError as error:
        raise DataError(f"{archive} cannot be unpacked into {root} ({error})") from error


def files_to_convert(folder: Path, labels: Mapping[str, int] | None, table: Path) -> list[Path]:
    """Return the tifs of a folder, in the order of the csv of labels where there is one.

    Raises:
        DataError: there are none, or folder and csv name different patches.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; {HINT}")
    files = {path.stem: path for path in sorted(folder.glob("*.tif"))}
    if not files:
        raise DataError(f"{folder} has no tif files; {HINT}")
    if labels is None:
        return list(files.values())
    _require_all(labels, files, table, folder)
    _require_all(files, labels, folder, table)
    return [files[name] for name in labels]


def _require_all(
    names: Mapping[str, object], known: Mapping[str, object], listed_in: Path, absent_from: Path
) -> None:
    """Raise a DataError where names are not known."""
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"{len(missing)} ids of {listed_in} are not in {absent_from}, first {missing[0]};"
            f" {HINT}"
        )
