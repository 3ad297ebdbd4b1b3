"""Writing an attribution: its maps in one file, figures, the table of measures, the summary."""

import io
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from pcam.attribution import plots
from pcam.attribution.faithfulness_plot import plot_faithfulness
from pcam.attribution.feature_maps_plot import plot_feature_maps
from pcam.attribution.maps import Maps
from pcam.attribution.measures import Row
from pcam.attribution.method import Method, find_method
from pcam.attribution.results import Attribution
from pcam.config.sections import MAPS_PER_SHEET
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.provenance import code_commit, library_versions


def write_attribution(folder: Path, attribution: Attribution) -> None:
    """Write maps.h5, figures, faithfulness.csv and summary.json."""
    write_maps(folder / "maps.h5", attribution)
    figures = folder / "figures"
    write_sheets(figures, attribution)
    write_panels(figures / "panels", attribution)
    features = attribution.feature_maps
    if features is not None:
        title = f"{attribution.subject.title}: feature maps of {features.layer}"
        picture = plot_feature_maps(title, features.pictures, features.values, features.captions)
        write_file(figures / "feature_maps.png", picture)
    faithfulness = attribution.faithfulness
    if faithfulness is not None:
        write_rows(folder / "faithfulness.csv", list(faithfulness.rows))
        picture = plot_faithfulness(faithfulness.title, faithfulness.rows)
        write_file(figures / "faithfulness.png", picture)
    write_json(folder / "summary.json", summarise(attribution))


def write_maps(path: Path, attribution: Attribution) -> None:
    """Write the patches, what is known of them, and each method's maps, float32 (N, H, W).

    The file's attributes say what was explained and with which settings.
    """
    explained = attribution.explained
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update({**asdict(attribution.subject), **asdict(attribution.options)})
        file["patches"] = explained.patches.pictures
        file["id"] = np.array(explained.ids, h5py.string_dtype())
        file["probability"] = explained.probability
        if explained.labels is not None:
            file["label"] = explained.labels
        for name, region in explained.patches.regions.items():
            file[f"regions/{name}"] = region.numpy()
        for name, maps in attribution.maps.items():
            values = maps.values.numpy()
            dataset = file.create_dataset(f"maps/{name}", data=values, compression="gzip")
            dataset.attrs.update(_map_attributes(find_method(name), maps, attribution))
    write_file(path, buffer.getvalue())


def _map_attributes(method: Method, maps: Maps, attribution: Attribution) -> dict[str, object]:
    """Return what maps.h5 says of one method's maps.

    Args:
        method: that made the maps.
        maps: of N patches.
        attribution: which they are a part of.
    """
    attributes: dict[str, object] = {
        "unit": method.unit,
        "signed": method.signed,
        "uses_class": method.uses_class,
    }
    if method.uses_baseline:
        attributes["baseline"] = attribution.options.baseline
    if method.uses_layer and attribution.layer is not None:
        attributes["layer"] = attribution.layer
    if maps.complete:
        attributes["completeness_gap"] = maps.gap.numpy()
        attributes["steps"] = maps.steps.numpy()
    return attributes


def write_sheets(figures: Path, attribution: Attribution) -> None:
    """Draw all patches in sheets of a limited number of rows."""
    explained = attribution.explained
    maps = drawn_maps(attribution.maps)
    for first in range(0, len(explained.ids), MAPS_PER_SHEET):
        number = first // MAPS_PER_SHEET + 1
        picture = plots.plot_sheet(
            attribution.subject.title,
            explained.patches.pictures,
            maps,
            explained.captions,
            explained.patches.squares,
            slice(first, first + MAPS_PER_SHEET),
        )
        name = "sheet.png" if number == 1 else f"sheet-{number}.png"
        write_file(figures / name, picture)


def write_panels(folder: Path, attribution: Attribution) -> None:
    """Draw each patch in a panel of its own.

    Args:
        folder: for a PNG per patch.
        attribution: of all patches.
    """
    explained = attribution.explained
    maps = drawn_maps(attribution.maps)
    squares = explained.patches.squares
    pictures = tqdm(
        explained.patches.pictures, unit="panel", desc="drawing", disable=None, leave=False
    )
    for i, patch in enumerate(pictures):
        square = None if squares is None else squares[i]
        picture = plots.plot_panel(patch, maps, i, _panel_caption(attribution, i), square)
        name = re.sub(r"[^\w-]+", "_", explained.ids[i])
        write_file(folder / f"{i + 1:03}-{name}.png", picture)


def _panel_caption(attribution: Attribution, which: int) -> str:
    """Return a patch's caption and how complete its maps are.

    Args:
        attribution: of all patches.
        which: the patch's place among them.
    """
    lines = [attribution.explained.captions[which].replace("\n", " · ")]
    for name, maps in attribution.maps.items():
        if maps.complete:
            gap = 100 * float(maps.gap[which])
            line = f"{find_method(name).title}: completeness gap {gap:.2f} %"
            steps = int(maps.steps[which])
            lines.append(f"{line} in {steps} steps" if steps else line)
    return "\n".join(lines)


def drawn_maps(maps: Mapping[str, Maps]) -> list[plots.DrawnMaps]:
    """Return maps as figures need them."""
    drawn = []
    for name, one in maps.items():
        method = find_method(name)
        drawn.append(plots.DrawnMaps(method.title, method.unit, method.signed, one.values.numpy()))
    return drawn


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write the table of measures; a number that is not known is empty.

    Args:
        path: of the csv file.
        rows: of all measures, methods and networks; at least one.
    """
    records = [row.as_record() for row in rows]
    table = []
    for record in records:
        table.append(["" if _is_unknown(value) else value for value in record.values()])
    write_csv(path, list(records[0]), table)


def _is_unknown(value: object) -> bool:
    """Whether a value is None or NaN.

    Args:
        value: of a table's cell.
    """
    if isinstance(value, float):
        return math.isnan(value)
    return value is None


def summarise(attribution: Attribution) -> dict[str, object]:
    """Return the content of summary.json.

    Args:
        attribution: of a run's patches.
    """
    faithfulness = attribution.faithfulness
    rows = [] if faithfulness is None else faithfulness.rows
    completeness = {name: asdict(one) for name, one in attribution.completeness.items()}
    return {
        **asdict(attribution.subject),
        "scale": attribution.scale,
        "layer": attribution.layer,
        "methods": list(attribution.maps),
        "not_applicable": dict(attribution.not_applicable),
        "patches": list(attribution.explained.ids),
        "completeness": completeness,
        "faithfulness": [row.as_record() for row in rows],
        "over": attribution.unit,
        "seed": attribution.options.seed,
        "versions": library_versions(),
        "commit": code_commit(),
    }
