"""Scores of a slide's patches on the disk, in parts, so that a stopped command can go on."""

import io
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pcam.errors import RunError
from pcam.runs.access import ensure_inside, ensure_readable
from pcam.runs.files import read_json, write_file, write_json
from pcam.slides.grid import Floats

FOLDER = "scores"  # below the folder of the results
PLAN = "plan.json"  # what the scores depend on
PART_SECONDS = 30.0  # after which the scores so far are stored

Plan = dict[str, str | int | float]


class ScoreStore:
    """The scores of one slide: files of whole batches, each of which appears as a whole.

    Args:
        folder: of the slide's results.
        plan: what the scores depend on.
        size: number of patches.
        part: patches per file at most.

    Raises:
        RunError: the folder holds scores of another plan, or a damaged file.
    """

    def __init__(self, folder: Path, plan: Plan, size: int, part: int) -> None:
        self.folder = folder / FOLDER
        self.size = size
        self.part = part
        self._check_plan(plan)
        self._parts = self._read_parts()

    @property
    def done(self) -> int:
        """The number of patches that are scored already, from the first on."""
        return sum(map(len, self._parts))

    def scores(self) -> Floats:
        """Return the scores so far, float64 (done,)."""
        return np.concatenate([np.empty(0), *self._parts])

    def fill(self, batches: Iterable[Floats]) -> None:
        """Store the scores of the patches that are not done, as they come.

        A file is written when it is full, and at the latest after half a minute.

        Args:
            batches: of scores, in the patches' order.

        Raises:
            WriteError: a file cannot be written.
        """
        waiting: list[Floats] = []
        last = time.monotonic()
        for batch in batches:
            waiting.append(batch)
            count = sum(map(len, waiting))
            is_full = count >= self.part or self.done + count == self.size
            if is_full or time.monotonic() - last >= PART_SECONDS:
                self._store(np.concatenate(waiting))
                waiting = []
                last = time.monotonic()

    def _store(self, scores: Floats) -> None:
        buffer = io.BytesIO()
        np.save(buffer, scores, allow_pickle=False)
        write_file(self._path(len(self._parts)), buffer.getvalue())
        self._parts.append(scores)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npy"

    def _check_plan(self, plan: Plan) -> None:
        path = self.folder / PLAN
        stored = read_json(path)
        if stored is None:
            if self._path(0).exists():
                raise RunError(f"{self.folder} has scores without {PLAN}; remove it")
            write_json(path, plan)
            return
        differing = [key for key in plan if stored.get(key) != plan[key]]
        if differing:
            raise RunError(
                f"{self.folder} has scores of another {', '.join(differing)}; set another"
                " hydra.run.dir, or remove it"
            )

    def _read_parts(self) -> list[Floats]:
        parts: list[Floats] = []
        while (path := self._path(len(parts))).exists():
            parts.append(self._read_part(path))
        if sum(map(len, parts)) > self.size:
            raise RunError(f"{self.folder} has more scores than the slide has patches; remove it")
        return parts

    def _read_part(self, path: Path) -> Floats:
        ensure_inside(path, self.folder)
        ensure_readable(path)
        try:
            scores = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise RunError(f"{path} is damaged; remove {self.folder}") from error
        is_valid = scores.ndim == 1 and scores.dtype == np.float64 and len(scores) > 0
        if not is_valid or not np.isfinite(scores).all():
            raise RunError(f"{path} is damaged; remove {self.folder}")
        return np.asarray(scores, np.float64)
