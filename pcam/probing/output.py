"""What probes leave in a folder."""

from pathlib import Path

from pcam.probing.results import PROBE_METRICS, ProbePair, ProbeRow, Probes
from pcam.runs.files import write_csv, write_json
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.intervals import METHOD

COLUMNS = ("backbone", "probe", "detail", "metric", "value", "low", "high", "sd")
PAIR_COLUMNS = ("probe", "first", "second", "auroc", "low", "high", "p", "p_holm")


def write_probes(probes: Probes, folder: Path) -> list[Path]:
    """Write probes.csv, differences.csv if there are several backbones, and summary.json.

    Returns:
        The files.
    """
    files = [folder / "probes.csv"]
    cells = [line for row in probes.rows for line in _lines(row)]
    write_csv(files[0], COLUMNS, cells)
    if probes.pairs:
        files.append(folder / "differences.csv")
        write_csv(files[1], PAIR_COLUMNS, [_pair_line(pair) for pair in probes.pairs])
    write_json(folder / "summary.json", summarize_probes(probes))
    return [*files, folder / "summary.json"]


def _lines(row: ProbeRow) -> list[list[object]]:
    """Return the lines of a probe, one per metric."""
    lines: list[list[object]] = []
    for name in PROBE_METRICS:
        interval = row.metrics[name]
        figures = [interval[key] for key in ("value", "low", "high", "sd")]
        lines.append([row.backbone, row.probe, row.detail, name, *figures])
    return lines


def _pair_line(pair: ProbePair) -> list[object]:
    figures = [pair.auroc[key] for key in ("value", "low", "high", "p", "p_holm")]
    return [pair.probe, pair.first, pair.second, *figures]


def summarize_probes(probes: Probes) -> dict[str, object]:
    """Return the content of summary.json."""
    backbones: dict[str, object] = {}
    for name, weights in probes.weights.items():
        rows = [row for row in probes.rows if row.backbone == name]
        figures = {row.probe: {**row.metrics, "detail": row.detail} for row in rows}
        width = probes.widths[name]
        backbones[name] = {"weights": weights, "features": width, "probes": figures}
    pairs = []
    for pair in probes.pairs:
        names = {"probe": pair.probe, "first": pair.first, "second": pair.second}
        pairs.append({**names, "auroc": pair.auroc})
    return {
        "backbones": backbones,
        "pairs": pairs,
        "data": {"name": probes.data, "patches": probes.patches, "positive": probes.positive},
        "intervals": {
            "level": 0.95,
            "over": probes.unit,
            "method": METHOD,
            "resamples": probes.resamples,
        },
        "seed": probes.seed,
        "versions": library_versions(),
        "commit": code_commit(),
    }
