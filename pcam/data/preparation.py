"""Data brought to where its source looks for it, once."""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pcam.data.sources.kaggle import MEND as KAGGLE
from pcam.data.sources.pcam import ADDRESS
from pcam.data.storage import checksums
from pcam.data.storage.download import download, length
from pcam.data.storage.hdf5 import is_mapped, rewrite
from pcam.errors import ConfigError, DataError

PIXELS = 96 * 96 * 3  # bytes of a patch
PATCHES = {"train": 262_144, "valid": 32_768, "test": 32_768}
RECORD = "prepared.json"  # what was checked, so that it need not be read again


def obtain(data: Mapping[str, Any], address: str | None = None) -> list[str]:
    """Get the files of the source that ``data`` describes, as far as they are not there; made and own data need nothing.

    Args:
        data: the config's ``data``.
        address: of a mirror of the official files.

    Returns:
        What a person should know of the files that were there already.

    Raises:
        DataError: files cannot be had, or the disk is too small.
    """
    if address is not None and not str(address).startswith(("http://", "https://")):
        raise ConfigError(f"address={address} is no http or https address")
    get: Callable[..., list[str]] | None = {"pcam": pcam, "kaggle": kaggle}.get(data["name"])
    return get(Path(data["root"]), address) if get is not None else []


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"data.root={root} cannot be made ({error})") from error


def pcam(root: Path, address: str | None = None) -> list[str]:
    """Get PatchCamelyon's nine files (Zenodo record 2546921), checked, with pixels that can be memory mapped.

    A file that is there and is not the official one (a sample, another encoding) stays and is told of; slide names are not
    fetched for its split.
    """
    _make(root)
    known, base, sums = _record(root), (address or ADDRESS).rstrip("/"), _sums()
    missing = [name for name in sums if not (root / name).is_file()]
    _room(root, {name: _url(base, name) for name in missing if _size(name)})
    other: list[str] = []
    for name, (served, right) in sums.items():
        path, split = root / name, name.removeprefix(checksums.STEM).partition("_")[0]
        if name in missing and name.endswith(".csv") and f"{checksums.STEM}{split}_y.h5" in other:
            continue
        if name in missing or known.get(name, {}).get("bytes_and_time") != _state(path):
            url = _url(base, name)
            found = (
                download(url, path, served, right, _size(name))
                if name in missing
                else checksums.md5(path)
            )
            ours = found == known.get(name, {}).get("rewritten")  # made here of the official one
            known[name] = (
                {**known[name], "official": True}
                if ours
                else {"md5": found, "official": found in right}
            )
        if not known[name]["official"]:
            other.append(name)
        if name.endswith("_x.h5") and not is_mapped(path, "x"):
            rewrite(path, "x")
            known[name]["rewritten"] = checksums.md5(path)
        known[name]["bytes_and_time"] = _state(path)
        aside = root / f".{RECORD}.part"
        aside.write_text(json.dumps(known, indent=2))
        os.replace(aside, root / RECORD)
    if not other:
        return []
    told = f"not the official files, by their MD5: {', '.join(other)} in {root}"
    return [
        f"{told} (or rewritten here, and {RECORD} was lost); to get the official one, remove a file"
    ]


def _url(base: str, name: str) -> str:
    return f"{base}/{name}{'.gz' if name.endswith('.h5') else ''}?download=1"


def kaggle(root: Path, address: str | None = None) -> list[str]:
    """Get Kaggle's files with its own command, where that is installed; their rules want an account.

    Raises:
        DataError: the command is not there, or fails; says what to do by hand.
    """
    if (root / "train_labels.csv").is_file() and (root / "train").is_dir():
        return []
    archive = root / "histopathologic-cancer-detection.zip"
    if not archive.is_file():
        if shutil.which("kaggle") is None:
            raise DataError(
                f"{root} lacks train_labels.csv and train/. Kaggle wants an account: accept the rules of the competition "
                f"histopathologic-cancer-detection there, pip install kaggle, and type this again; or, by hand: {KAGGLE}"
            )
        _make(root)
        asked = [
            "kaggle",
            "competitions",
            "download",
            "-c",
            "histopathologic-cancer-detection",
            "-p",
            str(root),
        ]
        if subprocess.run(asked, check=False).returncode or not archive.is_file():
            raise DataError(f"the command failed: {' '.join(asked)}; its own message stands above")
    try:
        with zipfile.ZipFile(archive) as packed:
            size, free = (
                sum(entry.file_size for entry in packed.infolist()),
                shutil.disk_usage(root).free,
            )
            if free < size:
                raise DataError(
                    f"{root} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed to unpack {archive.name}"
                )
            # the table of labels last: its presence says that all is there
            for entry in sorted(
                packed.infolist(), key=lambda entry: entry.filename == "train_labels.csv"
            ):
                packed.extract(entry, root)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error}); remove it and type this again"
        ) from error
    return []


def _sums() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the files, each with the MD5 that it may have as served (none: served as it is) and as it is."""
    meta = {
        "train": (checksums.TRAIN_META,),
        "valid": checksums.VALID_OR_TEST_META,
        "test": checksums.VALID_OR_TEST_META,
    }
    files = {f"{checksums.STEM}{split}_meta.csv": ((), right) for split, right in meta.items()}
    pixels = {
        f"{checksums.STEM}{part}.h5": ((served,), (right,))
        for part, (served, right) in checksums.HDF5.items()
    }
    return dict(
        sorted(
            {**pixels, **files}.items(), key=lambda item: (_size(item[0]), item[0].endswith(".csv"))
        )
    )


def _size(name: str) -> int:
    """Return how many bytes of pixels a file holds."""
    split, kind = name.split("_")[-2:]
    return PATCHES[split] * PIXELS if kind == "x.h5" else 0


def _room(root: Path, missing: Mapping[str, str]) -> None:
    """Make sure that the disk has room for all pixels that are missing, and for the largest of them packed."""
    if not missing:
        return
    packed = [
        max(0, (length(url) or _size(name)) - _arrived(root / name))
        for name, url in missing.items()
    ]
    needed, free = sum(_size(name) for name in missing) + max(packed), shutil.disk_usage(root).free
    if free < needed:
        raise DataError(
            f"{root} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed; set data.root"
        )


def _arrived(path: Path) -> int:
    part = path.with_name(path.name + ".part")
    return part.stat().st_size if part.is_file() else 0


def _record(root: Path) -> dict[str, Any]:
    try:
        known = json.loads((root / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _state(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]
