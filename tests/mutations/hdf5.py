"""PatchCamelyon's HDF5 files."""

import hashlib
import random
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from pcam.config.sections import AutoSplits, DataConfig
from pcam.data.loading import open_splits
from pcam.data.sources.pcam import PCamDataConfig
from tests.mutations.cases import Content, Mutation, any_content
from tests.mutations.files import file_mutations, mutations_of
from tests.mutations.texts import csv_mutations

STEM = "camelyonpatch_level_2_split_"
X, Y, META = f"{STEM}train_x.h5", f"{STEM}train_y.h5", f"{STEM}train_meta.csv"
ZX, TY = f"{STEM}valid_x.h5", f"{STEM}test_y.h5"
SIDE = 16
SIZES = {"train": 12, "valid": 6, "test": 6}
Array = np.ndarray
Write = Callable[[h5py.File, str, Array], None]
SPLITS = AutoSplits(name="auto", share=0.25, seed=0)


def read_data(data: DataConfig, splits: AutoSplits = SPLITS) -> Content:
    """Return what a training reads from a source: labels, ids, slides and pixels of each split."""
    opened = open_splits(data, splits, 0)
    content: dict[str, object] = {"how": opened.how, "classes": opened.classes}
    for name, source in opened.splits.items():
        order = np.arange(len(source))[::-1].copy()
        pixels = source.read(order)
        content[f"{name} ids"] = list(source.ids)
        content[f"{name} labels"] = None if source.labels is None else source.labels.tolist()
        content[f"{name} slides"] = None if source.groups is None else list(source.groups)
        content[f"{name} shape"] = pixels.shape
        content[f"{name} pixels"] = hashlib.sha1(pixels.tobytes()).hexdigest()
    return content


def other_pixels(before: Content, after: Content) -> bool:
    """Accept other pixels and other labels: no file says what they were."""
    kept = [key for key in before if not key.endswith(("pixels", "labels"))]
    return before.keys() == after.keys() and all(before[key] == after[key] for key in kept)


def other_slides(before: Content, after: Content) -> bool:
    """Accept other names of slides, or none."""
    kept = [key for key in before if not key.endswith("slides")]
    return before.keys() == after.keys() and all(before[key] == after[key] for key in kept)


class Hdf5:
    """The three splits, x once contiguous and once compressed."""

    name = "hdf5"

    def build(self, folder: Path) -> None:
        """Write nine files."""
        rng = np.random.default_rng(0)
        for split, size in SIZES.items():
            x = rng.integers(0, 256, (size, SIDE, SIDE, 3), dtype=np.uint8)
            y = np.arange(size, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
            storage = {"chunks": (2, SIDE, SIDE, 3), "compression": "gzip"}
            with h5py.File(folder / f"{STEM}{split}_x.h5", "w") as file:
                file.create_dataset("x", data=x, **(storage if split == "valid" else {}))
            with h5py.File(folder / f"{STEM}{split}_y.h5", "w") as file:
                file["y"] = y
            lines = ["wsi,tumor_patch,center_tumor_patch"]
            lines += [
                f"{split}-slide-{row % 3},{y.flat[row] == 1},{y.flat[row] == 1}"
                for row in range(size)
            ]
            (folder / f"{STEM}{split}_meta.csv").write_text("\n".join(lines) + "\n")

    def read(self, folder: Path) -> Content:
        """Open all splits and read all patches."""
        return read_data(PCamDataConfig(root=str(folder)))

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each file, and what an HDF5 file can hold in place of arrays."""
        found = mutations_of((X, Y, ZX, TY), other_pixels)
        found += file_mutations(META, other_slides)
        found = [_unless_missing(mutation) for mutation in found]
        found += csv_mutations(
            META,
            ("wsi", "tumor_patch", "center_tumor_patch"),
            other_slides,
            ("center_tumor_patch",),
        )
        for label, write in ARRAYS_OF_X.items():
            found.append(Mutation(f"x: {label}", _write(X, write), refused=label not in HARMLESS_X))
        for label, write in ARRAYS_OF_Y.items():
            found.append(Mutation(f"y: {label}", _write(Y, write), refused=label not in HARMLESS_Y))
        return found


def _unless_missing(mutation: Mutation) -> Mutation:
    """A split has slides only if its csv is there."""
    if mutation.name == f"{META}: missing":
        return Mutation(mutation.name, mutation.apply, any_content)
    return mutation


def _write(name: str, write: Write) -> Callable[[Path, random.Random], None]:
    def apply(folder: Path, draw: random.Random) -> None:
        key = "x" if name.endswith("x.h5") else "y"
        with h5py.File(folder / name, "r") as file:
            values = file[key][()]
        (folder / name).unlink()
        with h5py.File(folder / name, "w") as file:
            write(file, key, values)

    return apply


def _set(change: Callable[[Array], object]) -> Write:
    def write(file: h5py.File, key: str, values: Array) -> None:
        file[key] = change(values)

    return write


def _create(**options: object) -> Write:
    def write(file: h5py.File, key: str, values: Array) -> None:
        file.create_dataset(key, values.shape, values.dtype, **options)

    return write


def _store(**options: object) -> Write:
    def write(file: h5py.File, key: str, values: Array) -> None:
        file.create_dataset(key, data=values, **options)

    return write


def _other_file(inner: h5py.File, key: str, values: Array) -> Path:
    path = Path(inner.filename).parents[1] / "elsewhere.h5"
    with h5py.File(path, "w") as file:
        file[key] = values
    return path


def _external_link(file: h5py.File, key: str, values: Array) -> None:
    file[key] = h5py.ExternalLink(str(_other_file(file, key, values)), key)


def _external_link_missing(file: h5py.File, key: str, values: Array) -> None:
    file[key] = h5py.ExternalLink("missing.h5", key)


def _soft_link(file: h5py.File, key: str, values: Array) -> None:
    file["other"] = values
    file[key] = h5py.SoftLink("/other")


def _soft_link_missing(file: h5py.File, key: str, values: Array) -> None:
    file[key] = h5py.SoftLink("/nothing")


def _soft_link_loop(file: h5py.File, key: str, values: Array) -> None:
    file[key] = h5py.SoftLink(f"/{key}")


def _hard_link(file: h5py.File, key: str, values: Array) -> None:
    file["other"] = values
    file[key] = file["other"]


def _virtual(missing: bool) -> Write:
    def write(file: h5py.File, key: str, values: Array) -> None:
        path = (
            Path(file.filename).with_name("missing.h5")
            if missing
            else _other_file(file, key, values)
        )
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource(str(path), key, values.shape)
        file.create_virtual_dataset(key, layout)

    return write


def _external_storage(path: str) -> Write:
    def write(file: h5py.File, key: str, values: Array) -> None:
        external = [(path, 0, values.nbytes)]
        file.create_dataset(key, values.shape, values.dtype, external=external)

    return write


def _group(file: h5py.File, key: str, values: Array) -> None:
    file.create_group(key)["inner"] = values


def _datatype(file: h5py.File, key: str, values: Array) -> None:
    file[key] = np.dtype("u1")


def _nothing(file: h5py.File, key: str, values: Array) -> None:
    return None


def _null(file: h5py.File, key: str, values: Array) -> None:
    file[key] = h5py.Empty("u1")


def _references(file: h5py.File, key: str, values: Array) -> None:
    file.create_dataset(key, (len(values), 1, 1, 1), dtype=h5py.ref_dtype)


def _texts(file: h5py.File, key: str, values: Array) -> None:
    file.create_dataset(key, (len(values), 1, 1, 1), dtype=h5py.string_dtype())


def _ragged(file: h5py.File, key: str, values: Array) -> None:
    file.create_dataset(key, (len(values),), dtype=h5py.vlen_dtype(np.uint8))


def _huge(file: h5py.File, key: str, values: Array) -> None:
    file.create_dataset(
        key, (2**45, *values.shape[1:]), values.dtype, chunks=(1, *values.shape[1:])
    )


def _half_written(file: h5py.File, key: str, values: Array) -> None:
    chunks = (2, *values.shape[1:])
    array = file.create_dataset(key, values.shape, values.dtype, chunks=chunks)
    array[: len(values) // 2] = values[: len(values) // 2]


def _half_written_compressed(file: h5py.File, key: str, values: Array) -> None:
    chunks = (2, *values.shape[1:])
    array = file.create_dataset(key, values.shape, values.dtype, chunks=chunks, compression="gzip")
    array[: len(values) // 2] = values[: len(values) // 2]


def _wide_chunks(file: h5py.File, key: str, values: Array) -> None:
    file.create_dataset(key, data=values, chunks=(5, *values.shape[1:]))


def _deep_name(file: h5py.File, key: str, values: Array) -> None:
    file["a\x1b[31m\nb"] = values


def _compound(values: Array) -> Array:
    return np.zeros(values.shape, [("a", "u1"), ("b", "u1")])


ARRAYS: dict[str, Write] = {
    "created, never written": _create(),
    "created in chunks, never written": _create(chunks=True),
    "created compressed, never written": _create(chunks=True, compression="gzip"),
    "half written": _half_written,
    "half written, compressed": _half_written_compressed,
    "external link": _external_link,
    "external link to nothing": _external_link_missing,
    "soft link": _soft_link,
    "soft link to nothing": _soft_link_missing,
    "soft link to itself": _soft_link_loop,
    "hard link": _hard_link,
    "virtual": _virtual(False),
    "virtual, file missing": _virtual(True),
    "external storage": _external_storage("/etc/passwd"),
    "external storage, file missing": _external_storage("/nothing/here"),
    "a group": _group,
    "a datatype": _datatype,
    "nothing": _nothing,
    "no dataspace": _null,
    "references": _references,
    "texts": _texts,
    "ragged": _ragged,
    "2^45 rows": _huge,
    "a name with control characters": _deep_name,
    "no rows": _set(lambda values: values[:0]),
    "one row less": _set(lambda values: values[1:]),
    "a single number": _set(lambda values: values.flat[0]),
    "compound": _set(_compound),
    "float64": _set(lambda values: values.astype(np.float64)),
    "float16": _set(lambda values: values.astype(np.float16)),
    "complex": _set(lambda values: values.astype(np.complex64)),
    "opaque": _set(lambda values: values.astype("V3")),
    "transposed": _set(lambda values: values.transpose(3, 0, 1, 2)),
    "shuffled and compressed": _store(chunks=True, compression="gzip", shuffle=True),
    "lzf": _store(chunks=True, compression="lzf"),
    "checksums": _store(chunks=True, fletcher32=True),
    "resizable": _store(chunks=True, maxshape=(None, None, None, None)),
    "wide chunks": _wide_chunks,
}
ARRAYS_OF_X: dict[str, Write] = {
    **ARRAYS,
    "int8": _set(lambda values: values.astype(np.int8)),
    "bool": _set(lambda values: values > 127),
    "grey": _set(lambda values: values[..., :1]),
    "RGBA": _set(lambda values: np.concatenate([values, values[..., :1]], -1)),
    "channels first": _set(lambda values: values.transpose(0, 3, 1, 2)),
    "no height": _set(lambda values: values[:, :0]),
    "all black": _set(lambda values: values * 0),
    "all white": _set(lambda values: values * 0 + 255),
    "16 bits": _set(lambda values: values.astype(np.uint16)),
}
ARRAYS_OF_Y: dict[str, Write] = {
    **ARRAYS,
    "shape (N/2, 2)": _set(lambda values: values.reshape(-1, 2)),
    "shape (1, N)": _set(lambda values: values.reshape(1, -1)),
    "shape (N,)": _set(lambda values: values.reshape(-1)),
    "shape (N, 1)": _set(lambda values: values.reshape(-1, 1)),
    "one-hot": _set(lambda values: np.eye(2, dtype=np.uint8)[values.reshape(-1)]),
    "bool": _set(lambda values: values > 0),
    "int64": _set(lambda values: values.astype(np.int64)),
    "big-endian": _set(lambda values: values.astype(">i4")),
    "negative": _set(lambda values: values.astype(np.int8) - 1),
    "256": _set(lambda values: values.astype(np.uint16) * 256),
    "2": _set(lambda values: values * 2),
}
HARMLESS_X = frozenset(
    (
        *("soft link", "hard link", "shuffled and compressed", "lzf", "checksums", "resizable"),
        "wide chunks",
    )
)
HARMLESS_Y = HARMLESS_X | {"shape (N,)", "shape (N, 1)", "bool", "int64", "big-endian"}
