"""Kaggle's folders and folders of pictures."""

import hashlib
import random
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from pcam.config.sections import AutoSplits
from pcam.data.sources.folder import FolderDataConfig
from pcam.data.sources.kaggle import KaggleData, KaggleDataConfig
from tests.mutations.cases import Content, Mutation, any_content
from tests.mutations.files import file_mutations, mutations_of
from tests.mutations.hdf5 import other_pixels, read_data
from tests.mutations.texts import csv_mutations

SIDE = 16
LABELLED, UNLABELLED = 12, 3
SPLITS = AutoSplits(name="auto", share=0.3, seed=0)
LABELS, SLIDES, SAMPLE = "train_labels.csv", "slides.csv", "sample_submission.csv"
CONVERTED = "converted/train.h5"


def _patch(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def other_labels(before: Content, after: Content) -> bool:
    """Accept other labels: no file says what they were. A split by slide follows them."""
    return before.keys() == after.keys() and _all_ids(before) == _all_ids(after)


def _all_ids(content: Content) -> list[str]:
    ids: list[str] = []
    for key, value in content.items():
        if key.endswith(" ids") and isinstance(value, list):
            ids += value
    return sorted(ids)


class Kaggle:
    """Labelled and unlabelled tifs, their csvs, and what they were converted to."""

    name = "kaggle"

    def build(self, folder: Path) -> None:
        """Write the files, and convert them."""
        names = []
        for number in range(LABELLED + UNLABELLED):
            patch = _patch(number)
            names.append(hashlib.sha1(patch.tobytes()).hexdigest())
            place = folder / ("train" if number < LABELLED else "test")
            place.mkdir(exist_ok=True)
            Image.fromarray(patch).save(place / f"{names[-1]}.tif")
        rows = [f"{name},{number % 2}" for number, name in enumerate(names[:LABELLED])]
        (folder / LABELS).write_text("\n".join(["id,label", *rows]) + "\n")
        slides = [f"{name},slide-{number % 4}" for number, name in enumerate(names)]
        (folder / SLIDES).write_text("\n".join(["id,wsi", *slides]) + "\n")
        sample = [f"{name},0" for name in names[LABELLED:]]
        (folder / SAMPLE).write_text("\n".join(["id,label", *sample]) + "\n")
        self.read(folder)

    def read(self, folder: Path) -> Content:
        """Open both folders, and make a submission."""
        config = KaggleDataConfig(
            root=str(folder),
            converted=str(folder / "converted"),
            slide_csv=str(folder / SLIDES),
        )
        content = dict(read_data(config, SPLITS))
        provider = KaggleData(config)
        unlabelled = provider.open("predict")
        pixels = unlabelled.read(np.arange(len(unlabelled)))
        content["predict ids"] = list(unlabelled.ids)
        content["predict pixels"] = hashlib.sha1(pixels.tobytes()).hexdigest()
        probability = np.linspace(0, 1, len(unlabelled))
        content["submission"] = provider.submission(unlabelled.ids, probability, "probability")
        return content

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each kind of file, cells of the csvs, and converted arrays."""
        tif = hashlib.sha1(_patch(3).tobytes()).hexdigest()
        found = [_anew(mutation) for mutation in mutations_of((f"train/{tif}.tif",))]
        found += [_converted_again(mutation) for mutation in file_mutations(CONVERTED)]
        found += file_mutations(LABELS, other_labels)
        found += file_mutations(SLIDES, _other_split)
        found += file_mutations(SAMPLE)
        found += csv_mutations(LABELS, ("id", "label"), other_labels)
        found += csv_mutations(SLIDES, ("id", "wsi"), _other_split)
        found += csv_mutations(SAMPLE, ("id",), _other_submission)
        for label, change in ARRAYS.items():
            found.append(Mutation(f"{CONVERTED}: {label}", _change_array(change), refused=True))
        for label, text in LEFTOVERS.items():
            found.append(Mutation(f"converted/train.progress: {label}", _leave(text)))
        return found


def _other_split(before: Content, after: Content) -> bool:
    """Accept other slides, by which patches are split."""
    return before.keys() == after.keys() and _all_ids(before) == _all_ids(after)


def _other_submission(before: Content, after: Content) -> bool:
    """Accept another order of the same rows."""
    rows = [sorted(content["submission"]) for content in (before, after)]  # type: ignore[call-overload]
    return rows[0] == rows[1]


def _anew(mutation: Mutation) -> Mutation:
    """Return a mutation of a file that is then converted again."""

    def apply(folder: Path, draw: random.Random) -> object:
        shutil.rmtree(folder / "converted")
        return mutation.apply(folder, draw)

    return Mutation(mutation.name, apply, mutation.accept, mutation.refused, mutation.drawn)


def _converted_again(mutation: Mutation) -> Mutation:
    """Whatever becomes of the conversion, what is read is the tifs'."""
    return Mutation(mutation.name, mutation.apply, None, mutation.refused, mutation.drawn)


def _change_array(
    change: Callable[[dict[str, np.ndarray]], None],
) -> Callable[[Path, random.Random], None]:
    def apply(folder: Path, draw: random.Random) -> None:
        path = folder / CONVERTED
        with h5py.File(path, "r") as file:
            arrays = {name: file[name][()] for name in file}
        path.unlink()
        change(arrays)
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values

    return apply


def _one_pixel(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"][2, 3, 4, 1] ^= 1


def _pixels_of_another(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"][[2, 5]] = arrays["x"][[5, 2]]


def _shorter_x(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"] = arrays["x"][:-1]


def _longer_x(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"] = np.concatenate([arrays["x"], arrays["x"][:1]])


def _shorter_sha1(arrays: dict[str, np.ndarray]) -> None:
    arrays["sha1"] = arrays["sha1"][:-1]


def _no_hexadecimal(arrays: dict[str, np.ndarray]) -> None:
    arrays["sha1"][0] = b"z" * 40


def _short_digest(arrays: dict[str, np.ndarray]) -> None:
    arrays["sha1"][0] = b"ab"


def _no_text(arrays: dict[str, np.ndarray]) -> None:
    arrays["id"] = np.arange(len(arrays["id"]))


def _no_ascii(arrays: dict[str, np.ndarray]) -> None:
    arrays["id"][0] = b"\xff" * 40


def _id_twice(arrays: dict[str, np.ndarray]) -> None:
    arrays["id"][1] = arrays["id"][0]


def _ids_without_pixels(arrays: dict[str, np.ndarray]) -> None:
    arrays["x"] = arrays["x"].reshape(-1, SIDE // 2, SIDE, 3)


ARRAYS: dict[str, Callable[[dict[str, np.ndarray]], None]] = {
    "one pixel changed": _one_pixel,
    "two patches swapped": _pixels_of_another,
    "x shorter": _shorter_x,
    "x longer": _longer_x,
    "sha1 shorter": _shorter_sha1,
    "sha1 not hexadecimal": _no_hexadecimal,
    "a short sha1": _short_digest,
    "ids are numbers": _no_text,
    "an id is no ASCII": _no_ascii,
    "an id twice": _id_twice,
    "twice as many patches": _ids_without_pixels,
}
LEFTOVERS = {
    "empty": "",
    "text": "abc def",
    "a number that is none": "{order} many",
    "negative": "{order} -5",
    "too many rows": "{order} 999999",
    "half": "{order} 6",
    "long": "{order} " + "9" * 10_000,
}


def _leave(text: str) -> Callable[[Path, random.Random], None]:
    """Leave a conversion as a killed process would, with another note of its progress."""

    def apply(folder: Path, draw: random.Random) -> None:
        ids = [line.split(",")[0] for line in (folder / LABELS).read_text().splitlines()[1:]]
        order = hashlib.sha1("\n".join(ids).encode()).hexdigest()
        whole = (folder / CONVERTED).read_bytes()
        shutil.rmtree(folder / "converted")
        (folder / "converted").mkdir()
        (folder / "converted/train.part").write_bytes(whole)
        (folder / "converted/train.progress").write_text(text.format(order=order))

    return apply


class Folder:
    """ROOT/SPLIT/CLASS/*.png|jpg|tif."""

    name = "folder"

    def build(self, folder: Path) -> None:
        """Write three formats in both classes of two splits."""
        number = 0
        for split, count in (("train", 6), ("valid", 6)):
            for label in ("normal", "tumour"):
                place = folder / split / label
                place.mkdir(parents=True)
                for _ in range(count // 2):
                    ending = (".png", ".jpg", ".tif")[number % 3]
                    Image.fromarray(_patch(number)).save(place / f"{number}{ending}")
                    number += 1

    def read(self, folder: Path) -> Content:
        """Open both splits."""
        return read_data(FolderDataConfig(root=str(folder)), SPLITS)

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each format, other pictures, and other things in their place."""
        names = ("train/normal/0.png", "train/tumour/4.jpg", "train/normal/2.tif")
        found = mutations_of(names, other_pixels)
        found = [_without_picture(mutation) for mutation in found]
        for label, save in PICTURES.items():
            for name in names:
                mutation = Mutation(f"{name}: {label}", _save(name, save), refused=True)
                found.append(mutation)
        for label, change in TREES.items():
            found.append(Mutation(f"train: {label}", change, refused=True))
        return found


def _without_picture(mutation: Mutation) -> Mutation:
    """A picture that is not there is not missed, nor is a folder in its place."""
    if mutation.name.endswith((": missing", ": a folder", ": a link to its folder")):
        return Mutation(mutation.name, mutation.apply, any_content)
    return mutation


def _save(name: str, save: Callable[[Path], None]) -> Callable[[Path, random.Random], None]:
    def apply(folder: Path, draw: random.Random) -> None:
        path = folder / name
        path.unlink()
        save(path)

    return apply


def _as(
    format: str, mode: str = "RGB", side: int = SIDE, **options: object
) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        image = Image.fromarray(_patch(0)).resize((side, side)).convert(mode)
        image.save(path, format=format, **options)

    return save


def _deep_grey(path: Path) -> None:
    Image.fromarray(_patch(0)[..., 0].astype(np.uint16) * 200).save(path, format="PNG")


def _pages(path: Path) -> None:
    images = [Image.fromarray(_patch(number)) for number in range(3)]
    images[0].save(path, format="TIFF", save_all=True, append_images=images[1:])


def _animated(path: Path) -> None:
    images = [Image.fromarray(_patch(number)) for number in range(3)]
    images[0].save(path, format="PNG", save_all=True, append_images=images[1:])


def _bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path, format="PNG")


def _postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n/a {1} def\n")


def _svg(path: Path) -> None:
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')


PICTURES: dict[str, Callable[[Path], None]] = {
    "another size": _as("PNG", side=SIDE + 1),
    "32-bit floats": _as("TIFF", "F"),
    "32-bit integers": _as("TIFF", "I"),
    "16-bit grey": _deep_grey,
    "GIF": _as("GIF", "P"),
    "BMP": _as("BMP"),
    "WebP": _as("WEBP"),
    "PPM": _as("PPM"),
    "ICO": _as("ICO"),
    "PDF": _as("PDF"),
    "EPS": _as("EPS"),
    "pages": _pages,
    "animated": _animated,
    "a bomb": _bomb,
    "PostScript": _postscript,
    "SVG": _svg,
}


def _third_class(folder: Path, draw: random.Random) -> None:
    (folder / "train/third").mkdir()
    Image.fromarray(_patch(99)).save(folder / "train/third/99.png")


def _one_class(folder: Path, draw: random.Random) -> None:
    shutil.rmtree(folder / "train/tumour")


def _no_train(folder: Path, draw: random.Random) -> None:
    shutil.rmtree(folder / "train")


def _misspelt(folder: Path, draw: random.Random) -> None:
    (folder / "valid").rename(folder / "vaild")


def _empty_classes(folder: Path, draw: random.Random) -> None:
    for path in (folder / "train").rglob("*.*"):
        path.unlink()


def _all_black(folder: Path, draw: random.Random) -> None:
    for path in (folder / "train").rglob("*.*"):
        path.unlink()
        Image.new("RGB", (SIDE, SIDE)).save(path.with_suffix(".png"))


TREES: dict[str, Callable[[Path, random.Random], None]] = {
    "a third class": _third_class,
    "one class": _one_class,
    "missing": _no_train,
    "valid is misspelt": _misspelt,
    "empty classes": _empty_classes,
    "all black": _all_black,
}
