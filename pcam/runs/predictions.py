"""Two tables of a run folder: predictions/SPLIT.csv and splits.csv."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Protocol

from pcam.runs.files import write_csv


class Identified(Protocol):
    """Patches with ids, as a patch source has."""

    @property
    def ids(self) -> Sequence[str]:
        """The patches' ids."""


def write_predictions(
    folder: Path,
    split: str,
    ids: Sequence[str],
    labels: Iterable[int] | None,
    probability: Iterable[float],
    slides: Sequence[str] | None,
    positive: str | None = None,
    logit: Iterable[float] | None = None,
) -> None:
    """Write predictions/SPLIT.csv with the columns id, label, probability, logit, slide, positive.

    Args:
        folder: a run's, or that of a later command.
        split: name of the split.
        ids: N ids.
        labels: (N,), 0 or 1; None to leave the column out.
        probability: (N,), of the positive class; the text keeps every bit of it.
        slides: N names; None to leave the column out.
        positive: name of the class that the probability is of; None to leave the column out.
        logit: (N,), log-odds of the probabilities, which rank where these round to 1; None to leave
            the column out.
    """
    columns: dict[str, Iterable[object]] = {"id": ids}
    if labels is not None:
        columns["label"] = [int(label) for label in labels]
    columns["probability"] = [float(value) for value in probability]
    if logit is not None:
        columns["logit"] = [float(value) for value in logit]
    if slides is not None:
        columns["slide"] = slides
    if positive is not None:
        columns["positive"] = repeat(positive, len(ids))
    rows = zip(*columns.values(), strict=True)
    write_csv(folder / "predictions" / f"{split}.csv", list(columns), rows)


def write_splits(folder: Path, splits: Mapping[str, Identified]) -> None:
    """Write splits.csv: the id and the split of each patch, as ``splits=file`` reads it.

    Args:
        folder: the run's.
        splits: the source of each split, by the split's name.
    """
    write_csv(folder / "splits.csv", ("id", "split"), _split_rows(splits))


def _split_rows(splits: Mapping[str, Identified]) -> Iterator[tuple[str, str]]:
    for split, source in splits.items():
        for patch_id in source.ids:
            yield patch_id, split
