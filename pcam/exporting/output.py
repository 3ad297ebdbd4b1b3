"""What an export leaves in a folder, and prints."""

from dataclasses import asdict
from pathlib import Path

from pcam.data.crop import describe_crop
from pcam.errors import RunError
from pcam.exporting.card import model_card
from pcam.exporting.export import Export
from pcam.exporting.robustness import Robustness
from pcam.exporting.timm_folder import BACKBONE, CONFIG, HEAD
from pcam.runs.files import read_json, write_file, write_json
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.formatting import format_facts, format_interval, format_size, pluralize

CARD, SUMMARY = "README.md", "summary.json"
FILES = {
    *("model.onnx", "model.int8.onnx", "model.torchscript", "model.pt2"),
    *(BACKBONE, HEAD, CONFIG),
}


def written_before(folder: Path) -> set[str]:
    """Return the names of the files in a folder that an earlier export has written.

    Raises:
        RunError: there are files of these names that no export has written.
    """
    found = {name for name in (*FILES, CARD, SUMMARY) if (folder / name).exists()}
    summary = read_json(folder / SUMMARY) or {}
    written = summary.get("files")
    known: set[str] = set()
    if isinstance(written, list) and all(isinstance(name, str) for name in written):
        known = {CARD, SUMMARY, *written}
    foreign = sorted(found - known)
    if foreign:
        raise RunError(
            f"{folder} has {', '.join(foreign)}, which pcam.export has not written; set another"
            " hydra.run.dir"
        )
    return found - {SUMMARY}


def write_export(export: Export, folder: Path, license_name: str | None) -> list[Path]:
    """Write the files of the network, README.md and summary.json.

    Args:
        export: the exported network.
        folder: of the files.
        license_name: of the weights; None if it is not stated.

    Returns:
        The files.

    Raises:
        RunError: the folder has files of the same names that no export has written.
        WriteError: a file cannot be written.
    """
    files = export.written
    before = written_before(folder)
    # First, so that an export that is interrupted can be started again
    names = before | {CARD, *(file.name for file in files)}
    write_json(folder / SUMMARY, {**summarize_export(export), "files": sorted(names - {CARD})})
    for file in files:
        write_file(folder / file.name, file.content)
    write_file(folder / CARD, model_card(export, license_name))
    write_json(folder / SUMMARY, summarize_export(export))
    for name in before - {CARD, *(file.name for file in files)}:
        (folder / name).unlink(missing_ok=True)  # of another format
    return [folder / file.name for file in files] + [folder / CARD]


def summarize_export(export: Export) -> dict[str, object]:
    """Return the content of an export's summary.json."""
    quantized = None
    if export.quantized is not None:
        quantized = {
            "patches": export.quantized.patches,
            "auroc_difference": export.quantized.difference,
            "largest_difference": export.quantized.largest,
        }
    return {
        "run": str(export.run.folder),
        "scale": export.run.config.scale,
        "format": export.format,
        "files": sorted(file.name for file in export.written),
        "patch_size": list(export.size),
        "crop": describe_crop(export.crop),
        "classes": list(export.run.classes or ()),
        "threshold": {"value": export.rule.threshold, "chosen": export.rule.description},
        "temperature": export.rule.temperature,
        "compared": export.agreement.patches,
        "difference": export.agreement.probability,
        "log_odds_difference": export.agreement.log_odds,
        "quantized": quantized,
        "robustness": [asdict(row) for row in export.robustness],
        "versions": library_versions(),
        "commit": code_commit(),
    }


def _describe_worst(row: Robustness) -> str:
    """Return the change of patches that changes most answers, as a phrase."""
    share = format_interval(row.called_otherwise)
    return f"at most {share} of the patches are called otherwise ({row.change})"


def format_export(export: Export) -> str:
    """Return what a person reads."""
    height, width = export.size
    name, content = export.files[0].name, export.files[0].content
    agreement = export.agreement
    compared = pluralize(agreement.patches, "patch")
    facts = [
        ("run", export.run.describe()),
        ("file", f"{name}, {format_size(len(content))}"),
        ("input", f"uint8 (N, 3, {height}, {width})"),
        ("threshold", export.rule.description),
        ("difference", f"{agreement.describe()}, on {compared} of valid"),
    ]
    if export.quantized is not None:
        cost = format_interval(export.quantized.difference, form="+.4f")
        facts.append(("int8", f"AUROC on valid changes by {cost}"))
        largest = f"a patch's probability changes by at most {export.quantized.largest:.3f}"
        facts.append(("", largest))
    if export.robustness:
        worst = max(export.robustness, key=lambda row: row.called_otherwise["value"])
        facts.append(("robustness", _describe_worst(worst)))
    return format_facts(facts)
