"""Files of tensors, read without running anything in them."""

import re
import warnings
import zipfile
from pathlib import Path

import torch

from pcam.errors import describe_error, printable
from pcam.runs.access import ensure_readable

# How torch names what it does not unpickle: "Unsupported global: GLOBAL argparse.Namespace was …"
OBJECT = re.compile(r"(?:GLOBAL|class|type) ([\w.]+\.[\w]+)")


def read_tensors(path: Path) -> object:
    """Return the content of a file: tensors and plain values.

    Args:
        path: .safetensors, or what torch.save has written.

    Raises:
        AccessError: the file cannot be read now.
        Exception: the file is damaged or holds code; each reader raises errors of its own, see
            `describe_unreadable`.
    """
    ensure_readable(path)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    ensure_whole(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the pickle's protocol
        return torch.load(path, map_location="cpu", weights_only=True)


def ensure_whole(path: Path) -> None:
    """Make sure that a file of torch's, which is a zip, has the bytes that its checksums say.

    torch.load does not look at them. Files of torch before 1.6 are no zips, and have none.

    Raises:
        ValueError: it has others.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {printable(damaged)} in it is wrong")


def describe_unreadable(error: BaseException) -> str:
    """Return why a file of tensors was refused, without the advice of torch to trust it."""
    text = str(error)
    if "Weights only load failed" not in text:
        return describe_error(error)
    found = OBJECT.search(text)
    what = f"a Python object ({found[1]})" if found else "more than tensors and plain values"
    return f"it holds {what}, and reading that could run code"
