"""predictions/SPLIT.csv and splits.csv of a run folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcam.runs.files import write_csv


def write_predictions(
    folder: Path,
    split: str,
    ids: Sequence[str],
    labels: Any,
    probability: Any,
    slides: Sequence[str] | None,
) -> None:
    """Write predictions/SPLIT.csv: id, label and slide where they are known, probability of the positive class.

    Args:
        folder: of a run, or of what a later door leaves.
        split: its name.
        ids: N names.
        labels: (N,), or None.
        probability: (N,); written so that it reads back to the bit.
        slides: N names, or None.
    """
    columns: dict[str, Iterable[Any]] = {"id": ids}
    if labels is not None:
        columns["label"] = (int(label) for label in labels)
    columns["probability"] = (float(value) for value in probability)
    if slides is not None:
        columns["slide"] = slides
    write_csv(
        folder / "predictions" / f"{split}.csv", list(columns), zip(*columns.values(), strict=True)
    )


def write_splits(folder: Path, splits: Mapping[str, Any]) -> None:
    """Write splits.csv, id and split of each patch of sources by their split's name, so that it can be given again."""
    write_csv(
        folder / "splits.csv",
        ("id", "split"),
        ((name, split) for split, source in splits.items() for name in source.ids),
    )
