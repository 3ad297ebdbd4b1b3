"""timm's train.py and validate.py, run from a checkout and timed by the lines that they print."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.epoch_times import EpochTime
from benchmarks.files import patches_path, repeat_files, write_synthetic_files
from benchmarks.readers import read_patches

TRAIN_LINE = re.compile(r"Train: (\d+) \[ *(\d+)/(\d+)")
VALIDATE_LINE = re.compile(r"Test: \[ *(\d+)/(\d+)\]")
RESULT_LINE = " * Acc@1"
VALID = 256  # patches of valid
QUALITY = 90  # of the JPEG files, which timm reads faster than PNG


class CommandFailed(Exception):
    """A command that is measured failed.

    Args:
        command: its words.
        output: the end of what it printed.
    """

    def __init__(self, command: Sequence[str], output: str) -> None:
        super().__init__(f"{' '.join(command)} failed:\n{output}")


def write_files(folder: Path, root: Path | None, patches: int, images: bool) -> None:
    """Write what is trained on, unless it is there.

    Args:
        folder: where to write.
        root: folder of PatchCamelyon's HDF5 files; None for synthetic patches.
        patches: number of training patches.
        images: whether timm needs image files too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not patches_path(folder, "train").exists():
        if root is None:
            write_synthetic_files(folder, patches, VALID)
        else:
            repeat_files(root, folder, patches, VALID)
    if images and not (folder / "images").exists():
        write_image_folder(folder, folder / "images", patches, VALID)


def write_image_folder(root: Path, folder: Path, count: int, valid: int) -> None:
    """Write patches as JPEG files in timm's layout: a folder per split, and in it one per class.

    The classes are arbitrary. More patches than the source has are hard links to its files.

    Args:
        root: folder of the HDF5 files.
        folder: where to write.
        count: number of training files.
        valid: number of validation files.
    """
    patches = read_patches(root, count)
    for split, size in (("train", count), ("validation", valid)):
        for label in ("0", "1"):
            (folder / split / label).mkdir(parents=True)
        for number in range(size):
            path = _image_path(folder, split, number)
            original = _image_path(folder, "train", number % len(patches))
            if original.exists():
                path.hardlink_to(original)
            else:
                Image.fromarray(patches[number]).save(path, quality=QUALITY)


def _image_path(folder: Path, split: str, number: int) -> Path:
    return folder / split / str(number % 2) / f"{number}.jpg"


def train(script: Path, options: Sequence[str]) -> list[EpochTime]:
    """Run timm's train.py and return the times of its epochs' first and last steps."""
    found: dict[int, EpochTime] = {}
    for moment, line in _timed_lines(script, options):
        match = TRAIN_LINE.search(line)
        if match is None:
            continue
        epoch, step, steps = map(int, match.groups())
        if step == 0:
            found[epoch] = EpochTime(moment, moment, steps)
        elif epoch in found:
            found[epoch] = EpochTime(found[epoch].first, moment, steps)
    return list(found.values())


def validate(script: Path, options: Sequence[str]) -> EpochTime:
    """Run timm's validate.py, which waits for the device at every step, and return its times."""
    first, last, steps = 0.0, 0.0, 0
    for moment, line in _timed_lines(script, [*options, "--log-freq", "1"]):
        match = VALIDATE_LINE.search(line)
        if match is None:
            continue
        first = first or moment
        last, steps = moment, int(match.group(2))
    return EpochTime(first, last, steps)


def _timed_lines(script: Path, options: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Yield each line that a script prints, with the time at which it was printed.

    Raises:
        CommandFailed: the script failed; the message has the end of its output.
    """
    command = [sys.executable, "-u", script.name, *options]
    lines = []
    with subprocess.Popen(
        command,
        cwd=script.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            yield time.time(), line
    if process.returncode:
        raise CommandFailed(command, "".join(lines[-20:]))
