"""Random folders of pictures: modes, depths, sizes, formats, orientations, damage, stray files.

Each comes with what it has to be read as: the reference is plain Pillow and NumPy, and shares
nothing with the code under test.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

Pixels = np.ndarray
TURNS: dict[int, Callable[[Pixels], Pixels]] = {  # EXIF orientation to what makes it upright
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a, 1),
}
MODES = {
    "png": ("1", "L", "LA", "P", "P transparent", "RGB", "RGB key", "RGBA"),
    "jpg": ("L", "RGB", "CMYK"),
    "tif": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
}
FAULTS = (
    *("16-bit grey", "16-bit colour", "16-bit tiff", "float", "pages", "cut off", "empty"),
    *("text", "huge", "other size"),
)
STRAY_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", "notes.txt", "a.bmp", "~.xml")
STRAY_FOLDERS = (".ipynb_checkpoints", "__MACOSX", "empty folder")


@dataclass
class Mixture:
    """A folder, and what it has to be read as.

    Attributes:
        root: of the folder.
        expected: path below the root to pixels, uint8 (H, W, 3).
        fault: what makes it unreadable; "" for a good one.
        faulty: path of the unreadable picture.
        skipped: stray files and folders of the split.
    """

    root: Path
    expected: dict[str, Pixels] = field(default_factory=dict)
    fault: str = ""
    faulty: Path | None = None
    skipped: int = 0


def write_mixture(root: Path, seed: int) -> Mixture:
    """Write one random folder with one split of two classes."""
    rng = np.random.default_rng(seed)
    mixture = Mixture(root)
    height, width = rng.integers(4, 24, 2)
    for name in ("normal", "tumour"):
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for number in range(rng.integers(1, 5)):
            path = write_picture(folder / str(number), (height, width), rng)
            mixture.expected[path.relative_to(root).as_posix()] = reference(path)
        mixture.skipped += write_strays(folder, rng)
    mixture.skipped += write_strays(root / "train", rng)
    if rng.random() < 0.4:
        mixture.fault = str(rng.choice(FAULTS))
        mixture.faulty = write_fault(root / "train" / "tumour", mixture.fault, height, width, rng)
    return mixture


def write_picture(stem: Path, size: tuple[int, int], rng: np.random.Generator) -> Path:
    """Write a picture that is ``size`` when it is upright, of any format, mode and orientation."""
    suffix = str(rng.choice(list(MODES)))
    mode = str(rng.choice(MODES[suffix]))
    orientation = int(rng.choice(list(TURNS))) if rng.random() < 0.5 else 1
    height, width = size if orientation < 5 else size[::-1]
    picture, options = make_picture(mode, height, width, rng)
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    names = {"jpg": ("jpg", "JPG", "jpeg"), "png": ("png", "PNG"), "tif": ("tif", "tiff", "TIF")}
    path = stem.with_suffix("." + str(rng.choice(names[suffix])))
    if suffix == "tif" and mode not in ("1", "P"):
        options["compression"] = str(rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"]))
    picture.save(path, format={"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[suffix], **options)
    return path


def make_picture(
    mode: str, height: int, width: int, rng: np.random.Generator
) -> tuple[Image.Image, dict[str, object]]:
    """Return a random picture of a mode, and how it is saved."""
    base = mode.split()[0]
    channels = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[base]
    pixels = rng.integers(0, 256, (height, width, channels), np.uint8)
    if base == "1":
        return Image.fromarray(pixels[..., 0] > 127), {}
    if base == "P":
        picture = Image.fromarray(pixels[..., 0] % 16, "L").convert("P")
        picture.putpalette(rng.integers(0, 256, 48, np.uint8).tolist())
        picture.putdata((pixels[..., 0] % 16).ravel().tolist())
        return picture, {"transparency": 3} if mode == "P transparent" else {}
    if channels == 1:
        return Image.fromarray(pixels[..., 0]), {}
    options: dict[str, object] = {}
    if mode == "RGB key":
        options["transparency"] = tuple(int(value) for value in pixels[0, 0])
    return Image.frombytes(base, (width, height), pixels.tobytes()), options


def reference(path: Path) -> Pixels:
    """Return what a good picture is: upright, RGB, on white; uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        orientation = picture.getexif().get(0x0112, 1)
        rotated_by_pillow = picture.format == "TIFF"
        key = picture.info.get("transparency")
        palette = picture.getpalette("RGB") if picture.mode == "P" else None
        mode, pixels = picture.mode, np.asarray(picture).astype(float)
    rgb, alpha = reference_colours(mode, pixels, palette, key)
    shown = rgb * alpha + 255 * (1 - alpha)
    upright = shown if rotated_by_pillow else TURNS[orientation](shown)
    return np.rint(upright).astype(np.uint8)


def reference_colours(
    mode: str, pixels: Pixels, palette: list[int] | None, key: object
) -> tuple[Pixels, Pixels]:
    """Return colours from 0 to 255, (H, W, 3), and opacity from 0 to 1, (H, W, 1)."""
    opaque = np.ones((*pixels.shape[:2], 1))
    if mode == "1":
        return np.repeat(pixels[..., None] * 255, 3, -1), opaque
    if mode == "L":
        return np.repeat(pixels[..., None], 3, -1), opaque
    if mode == "LA":
        return np.repeat(pixels[..., :1], 3, -1), pixels[..., 1:] / 255
    if mode == "P":
        colours = np.array(palette, float).reshape(-1, 3)[pixels.astype(int)]
        return colours, opaque if key is None else (pixels != key)[..., None].astype(float)
    if mode == "RGBA":
        return pixels[..., :3], pixels[..., 3:] / 255
    if mode == "CMYK":
        return (255 - pixels[..., :3]) * (255 - pixels[..., 3:]) / 255, opaque
    assert mode == "RGB"
    return pixels, opaque if key is None else (pixels != key).any(-1, keepdims=True).astype(float)


def write_strays(folder: Path, rng: np.random.Generator) -> int:
    """Write some of what systems leave, each a readable picture by its content; return how many."""
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG")
    count = 0
    for name in (*STRAY_FILES, *STRAY_FOLDERS):
        if rng.random() > 0.25:
            continue
        count += 1
        path = folder / name
        if name in STRAY_FILES:
            path.write_bytes(buffer.getvalue())
            continue
        path.mkdir()
        if name != "empty folder":
            (path / "a.png").write_bytes(buffer.getvalue())
    return count


def write_fault(
    folder: Path, fault: str, height: int, width: int, rng: np.random.Generator
) -> Path:
    """Write a picture that has to be refused, the last in its folder."""
    import cv2

    path = folder / ("zz.tif" if fault in ("16-bit tiff", "float", "pages") else "zz.png")
    colour = rng.integers(0, 256, (height, width, 3), np.uint8)
    deep = rng.integers(0, 65536, (height, width, 3), np.uint16)
    if fault == "16-bit grey":
        cv2.imwrite(str(path), deep[..., 0])
    elif fault in ("16-bit colour", "16-bit tiff"):
        cv2.imwrite(str(path), deep)
    elif fault == "float":
        Image.new("F", (width, height)).save(path)
    elif fault == "pages":
        page = Image.fromarray(colour)
        page.save(path, save_all=True, append_images=[page])
    elif fault == "other size":
        Image.fromarray(colour[:-1]).save(path)
    elif fault == "huge":
        Image.new("1", (9000, 3)).save(path)
    else:
        Image.fromarray(colour).save(path)
        content = path.read_bytes()
        damaged = {"empty": b"", "text": b"<html>", "cut off": content[: len(content) * 3 // 4]}
        path.write_bytes(damaged[fault])
    return path
