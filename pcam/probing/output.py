"""What probes leave in a folder."""

from pathlib import Path

from pcam.probing.page import Page, build_page
from pcam.probing.results import ProbePair, ProbeRow, Probes
from pcam.probing.slides import FOLDS, SlidePatches
from pcam.reporting.html import render_html
from pcam.reporting.markdown import render_markdown
from pcam.runs.figures import write_figure
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.intervals import METHOD

COLUMNS = ("backbone", "probe", "detail", "metric", "value", "low", "high", "sd")
PAIR_COLUMNS = ("probe", "first", "second", "auroc", "low", "high", "p", "p_holm")


def write_probes(probes: Probes, folder: Path) -> list[Path]:
    """Write probes.csv, differences.csv if there are several backbones, summary.json and the page.

    The page is index.html and report.md with figures/. Pictures and differences.csv of earlier
    probes are deleted.

    Returns:
        The files, the page last.
    """
    files = [folder / "probes.csv"]
    if files[0].is_file():
        _delete_earlier(folder)
    cells = [line for row in probes.rows for line in _lines(row)]
    write_csv(files[0], COLUMNS, cells)
    differences = folder / "differences.csv"
    if probes.pairs:
        files.append(differences)
        write_csv(differences, PAIR_COLUMNS, [_pair_line(pair) for pair in probes.pairs])
    write_json(folder / "summary.json", summarize_probes(probes))
    return [*files, folder / "summary.json", _write_page(build_page(probes), folder)]


def _delete_earlier(folder: Path) -> None:
    """Delete what earlier probes have left and these may not write again."""
    (folder / "differences.csv").unlink(missing_ok=True)
    for picture in (folder / "figures").glob("features-*.png"):
        picture.unlink()


def _write_page(page: Page, folder: Path) -> Path:
    """Write a page and its pictures; return the HTML file."""
    for picture in page.pictures:
        write_figure(folder / "figures" / picture.name, picture.content)
    write_file(folder / "report.md", render_markdown(page.title, page.lead, page.sections))
    path = folder / "index.html"
    write_file(path, render_html(page.title, page.lead, page.sections))
    return path


def _lines(row: ProbeRow) -> list[list[object]]:
    """Return the lines of a probe, one per metric."""
    lines: list[list[object]] = []
    for name, interval in row.metrics.items():
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
        shares = list(probes.projections[name].shares)
        backbones[name] = {
            "weights": weights,
            "features": width,
            "probes": figures,
            "component_variance": shares,
        }
    pairs = []
    for pair in probes.pairs:
        names = {"probe": pair.probe, "first": pair.first, "second": pair.second}
        pairs.append({**names, "auroc": pair.auroc})
    return {
        "backbones": backbones,
        "pairs": pairs,
        "slides": _summarize_slides(probes.slides),
        "data": {"name": probes.data, "patches": probes.patches, "positive": probes.classes[1]},
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


def _summarize_slides(slides: SlidePatches | str | None) -> dict[str, object] | None:
    """Return what the slide probe was made of; None if it was not asked for."""
    if slides is None:
        return None
    if isinstance(slides, str):
        return {"left_out": slides}
    return {
        "slides": len(slides.names),
        "patches": len(slides.rows),
        "chance": slides.chance,
        "folds": FOLDS,
    }
