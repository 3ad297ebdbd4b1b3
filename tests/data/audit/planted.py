"""Patches in memory with planted copies and faults, and what an audit finds of them."""

import io
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from pcam.data.audit.run import Audit

SIZES = {"train": 300, "valid": 120, "test": 120}
FAULTS = {"blank", "dark", "blurred", "foreign", "void"}


class Patches:
    """Patches in memory, to plant faults in."""

    def __init__(
        self,
        pixels: np.ndarray,
        labels: np.ndarray | None = None,
        ids: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.pixels = pixels.copy()
        self.labels = None if labels is None else labels.copy()
        self.groups = groups
        self.ids = [f"patch-{i}" for i in range(len(pixels))] if ids is None else list(ids)
        self.most, self.last = 0, 0  # patches of a read, last row that was read

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        self.most, self.last = max(self.most, len(indices)), int(indices[-1])
        return self.pixels[indices]


def groups_of(report: Audit, name: str) -> set[tuple[tuple[str, int], ...]]:
    return {tuple((patch.split, patch.row) for patch in group) for group in report[name].groups}


def problems(report: Audit) -> set[str]:
    return {check.name for check in report.checks if check.verdict in ("warn", "fail")}


def transformed(patch: np.ndarray, symmetry: int) -> np.ndarray:
    patch = patch.transpose(1, 0, 2) if symmetry & 4 else patch
    patch = patch[::-1] if symmetry & 2 else patch
    return np.ascontiguousarray(patch[:, ::-1] if symmetry & 1 else patch)


def reencoded(patch: np.ndarray, quality: int = 75) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(patch).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def brighter(patch: np.ndarray) -> np.ndarray:
    return np.clip(patch * 1.06 + 4, 0, 255).astype(np.uint8)


def all_changes(patch: np.ndarray, symmetry: int) -> np.ndarray:
    return reencoded(brighter(transformed(patch, symmetry)))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"symmetry {g}": (lambda patch, g=g: transformed(patch, g)) for g in range(1, 8)},
    "re-encoded": reencoded,
    "brighter": brighter,
    **{f"all, symmetry {g}": (lambda patch, g=g: all_changes(patch, g)) for g in range(8)},
}


def line_of_ink(color: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda patch: cv2.line(patch.copy(), (10, 0), (70, 95), color, 9)


def filled(rows: slice, columns: slice, value: object) -> Callable[[np.ndarray], np.ndarray]:
    def fill(patch: np.ndarray) -> np.ndarray:
        out = patch.copy()
        out[rows, columns] = value
        return out

    return fill


def noise(middle: Sequence[int], deviation: float) -> Callable[[np.ndarray], np.ndarray]:
    grain = np.random.default_rng(1).normal(0, deviation, (96, 96, 3))
    return lambda patch: np.clip(np.array(middle) + grain, 0, 255).astype(np.uint8)


ALL = slice(None)
PLANTED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "white": ("blank", noise((255, 255, 255), 0)),
    "empty slide": ("blank", noise((241, 240, 243), 2)),
    "one colour": ("blank", noise((200, 150, 190), 6)),
    "black": ("dark", noise((0, 0, 0), 0)),
    "scanner's black": ("dark", noise((38, 30, 34), 2)),
    "Gaussian of 3": ("blurred", lambda patch: cv2.GaussianBlur(patch, (0, 0), 3)),
    "Gaussian of 4, re-encoded": (
        "blurred",
        lambda patch: reencoded(cv2.GaussianBlur(patch, (0, 0), 4), 85),
    ),
    "green ink": ("foreign", line_of_ink((20, 130, 60))),
    "blue ink": ("foreign", line_of_ink((25, 60, 190))),
    "black ink": ("foreign", line_of_ink((25, 24, 28))),
    "yellow dye": ("foreign", filled(slice(0, 30), slice(0, 30), (235, 220, 60))),
    "right half white": ("void", filled(ALL, slice(48, 96), 255)),
    "left quarter grey": ("void", filled(ALL, slice(0, 24), 128)),
    "lower rows black": ("void", filled(slice(84, 96), ALL, 0)),
    "a dead row": ("void", filled(slice(50, 51), ALL, 0)),
    "a dead column": ("void", filled(ALL, slice(95, 96), 0)),
    "white half, re-encoded": (
        "void",
        lambda patch: reencoded(filled(slice(0, 43), ALL, 255)(patch), 90),
    ),
    "repeated rows": (
        "void",
        lambda patch: np.concatenate([patch[:70], np.repeat(patch[69:70], 26, 0)]),
    ),
}
