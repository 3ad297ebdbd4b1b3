"""PatchCamelyon's nine official files: downloaded, checked, and stored plainly."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pcam.data.storage import checksums
from pcam.data.storage.checksums import STEM
from pcam.data.storage.download import download
from pcam.data.storage.folders import make_root
from pcam.data.storage.hdf5 import is_stored_plainly, rewrite
from pcam.data.storage.space import require_space
from pcam.data.storage.transfer import content_length
from pcam.runs.files import write_json
from pcam.runs.lock import lock_folder

PATCH_BYTES = 96 * 96 * 3
PATCHES = {"train": 262_144, "valid": 32_768, "test": 32_768}
RECORD = "prepared.json"  # what was checked, so that it need not be read again


@dataclass(frozen=True)
class OfficialFile:
    """A file of Zenodo record 2546921.

    Attributes:
        name: of the file in ``data.root``.
        split: train, valid or test.
        served_md5: of the file as served; any of these is right; none: served as it is.
        md5: of the file itself, likewise.
        size: bytes of the pixels in it; 0 for labels and slides.
    """

    name: str
    split: str
    served_md5: tuple[str, ...]
    md5: tuple[str, ...]
    size: int

    def url(self, address: str) -> str:
        """Return where a host serves the file."""
        suffix = ".gz" if self.name.endswith(".h5") else ""
        return f"{address}/{self.name}{suffix}?download=1"


@dataclass(frozen=True)
class CheckedFile:
    """What is known of a file that was checked.

    Attributes:
        md5: of the file as it was downloaded or found.
        official: whether that is an official one.
        bytes_and_time: size and time of modification when it was checked.
        rewritten: MD5 after the file was rewritten uncompressed; None if it was not.
    """

    md5: str
    official: bool
    bytes_and_time: tuple[int, int]
    rewritten: str | None = None


Record = dict[str, CheckedFile]


def get_pcam(root: Path, address: str) -> list[str]:
    """Get PatchCamelyon's nine files, checked, with pixels that are fast to read.

    A file that is there already and is not the official one (a sample, another encoding) is kept
    and reported. Slide names are not downloaded for its split.

    Args:
        root: folder of the files.
        address: http or https address of the host's folder.

    Returns:
        Notes for the user.

    Raises:
        DataError: a file cannot be downloaded, or the disk is too small.
    """
    make_root(root)
    with lock_folder(root, "data.root"):
        return _get_files(root, address.rstrip("/"))


def _get_files(root: Path, address: str) -> list[str]:
    files = official_files()
    missing = [file for file in files if not (root / file.name).is_file()]
    _require_space(root, missing, address)
    record = _read_record(root)
    unofficial: list[str] = []
    for file in files:
        absent = file in missing
        labels = f"{STEM}{file.split}_y.h5"
        if absent and file.name.endswith("_meta.csv") and labels in unofficial:
            continue
        if absent:
            served = file.url(address)
            md5 = download(served, root / file.name, file.served_md5, file.md5, file.size)
            record[file.name] = CheckedFile(md5, md5 in file.md5, _state(root / file.name))
        else:
            record[file.name] = _check(root / file.name, file, record.get(file.name))
        record[file.name] = _store_plainly(root / file.name, record[file.name])
        if not record[file.name].official:
            unofficial.append(file.name)
        _write_record(root, record)
    if not unofficial:
        return []
    return [
        f"not the official files, by their MD5: {', '.join(unofficial)} in {root} (or rewritten"
        f" here, and {RECORD} was lost); to get the official one, move a file away"
    ]


def official_files() -> list[OfficialFile]:
    """Return the nine files, small ones first, labels before slides."""
    files = []
    for part, (served, md5) in checksums.HDF5.items():
        split, _, kind = part.partition("_")
        size = PATCHES[split] * PATCH_BYTES if kind == "x" else 0
        files.append(OfficialFile(f"{STEM}{part}.h5", split, (served,), (md5,), size))
    metas = {
        "train": (checksums.TRAIN_META,),
        "valid": checksums.VALID_OR_TEST_META,
        "test": checksums.VALID_OR_TEST_META,
    }
    for split, known in metas.items():
        files.append(OfficialFile(f"{STEM}{split}_meta.csv", split, (), known, 0))
    return sorted(files, key=lambda file: (file.size, file.name.endswith(".csv")))


def _check(path: Path, file: OfficialFile, known: CheckedFile | None) -> CheckedFile:
    """Return whether a file that is there is official; read it only if it is new or has changed."""
    state = _state(path)
    if known is None:
        return _check_content(path, file, state)
    if known.bytes_and_time == state:
        return known
    checked = _check_content(path, file, state)
    if checked.md5 == known.rewritten:  # rewritten here from the official one
        return CheckedFile(known.md5, True, state, known.rewritten)
    return checked


def _check_content(path: Path, file: OfficialFile, state: tuple[int, int]) -> CheckedFile:
    md5 = checksums.md5(path)
    return CheckedFile(md5, md5 in file.md5, state)


def _store_plainly(path: Path, known: CheckedFile) -> CheckedFile:
    """Rewrite a file of pixels whose patches are compressed or in pieces."""
    if not path.name.endswith("_x.h5") or is_stored_plainly(path, "x"):
        return known
    rewrite(path, "x")
    return CheckedFile(known.md5, known.official, _state(path), checksums.md5(path))


def _require_space(root: Path, missing: list[OfficialFile], address: str) -> None:
    """Make sure that there is room for all missing pixels and for the largest file as served."""
    unpacked = 0
    packed = 0
    for file in missing:
        if file.size:  # the csv are small, and have no size here
            unpacked += file.size
            packed = max(packed, _bytes_left(root, file, address))
    if unpacked:
        require_space(root, unpacked + packed, "(set data.root)")


def _bytes_left(root: Path, file: OfficialFile, address: str) -> int:
    """Return how many bytes of a file, as served, have not been downloaded yet."""
    served = content_length(file.url(address)) or file.size
    part = root / f"{file.name}.part"
    if not part.is_file():
        return served
    return max(0, served - part.stat().st_size)


def _read_record(root: Path) -> Record:
    """Return what was checked before; nothing where the record is missing or damaged."""
    try:
        stored = json.loads((root / RECORD).read_text("utf-8"))
        return {name: _checked_file(entry) for name, entry in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _checked_file(entry: Mapping[str, Any]) -> CheckedFile:
    size, time = entry["bytes_and_time"]
    rewritten = entry.get("rewritten")
    return CheckedFile(
        str(entry["md5"]),
        bool(entry["official"]),
        (size, time),
        None if rewritten is None else str(rewritten),
    )


def _write_record(root: Path, record: Record) -> None:
    write_json(root / RECORD, {name: asdict(checked) for name, checked in record.items()})


def _state(path: Path) -> tuple[int, int]:
    return path.stat().st_size, path.stat().st_mtime_ns
