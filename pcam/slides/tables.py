"""Text for predictions of slides."""

from collections.abc import Mapping

from pcam.slides.agreement import NAMES, Agreement
from pcam.slides.measures import ISOLATED
from pcam.slides.predict import SlidePrediction
from pcam.slides.summary import SlideSummary
from pcam.stats.formatting import format_facts, format_interval, format_table, pluralize

HEAD = ("slide", "patches", "tissue, mm²", "called, %", "regions", "largest, mm²", "highest")


def format_slide(prediction: SlidePrediction, summary: SlideSummary) -> str:
    """Return what was found on one slide.

    Args:
        prediction: of the slide.
        summary: of it.
    """
    size, mpp, patch = summary["size"], summary["mpp"], summary["patch"]
    regions = pluralize(summary["regions"], "region")
    called = f"{100 * summary['called_share']:.2f} % of the tissue, {regions}"
    if summary["regions"]:
        called += f", the largest {summary['largest_region']:.4g} mm²"
    facts = [
        ("run", f"{summary['run']}: {prediction.run.label}"),
        (
            "slide",
            f"{summary['slide']}: {size['width']:,} x {size['height']:,} pixels of"
            f" {mpp['slide']:.4g} µm, level {summary['level']}",
        ),
        (
            "patches",
            f"{summary['patches']:,} of {patch['side']:g} x {patch['side']:g} pixels of"
            f" {mpp['patches']:.4g} µm, stride {patch['stride']:g}, tta {summary['tta']}",
        ),
        ("tissue", f"{summary['tissue_area']:.4g} mm²"),
        (summary["positive"], called),
        ("called from", prediction.rule.description),
    ]
    if prediction.rule.temperature != 1:
        facts.append(("calibration", f"logits divided by {prediction.rule.temperature:.3f}"))
    return format_facts(facts)


def format_agreement(agreement: Agreement | None) -> str:
    """Return how maps agree with annotations, a figure per line.

    Args:
        agreement: None without annotations.
    """
    if agreement is None:
        return ""
    slides, lesions = pluralize(agreement.slides, "slide"), pluralize(agreement.lesions, "lesion")
    lines = ["\n", f"annotations: {slides}, {lesions}"]
    names = {key: name for key, name in NAMES.items() if key != "froc" or agreement.lesions}
    for key, name in names.items():
        lines.append(f"  {name:<12} {format_interval(agreement.metrics[key], gap=3)}")
    lines.append(f"  {_format_sensitivities(agreement)}")
    lines.append("  95 % intervals: bootstrap over slides")
    return "\n".join(lines)


def _format_sensitivities(agreement: Agreement) -> str:
    """Return the sensitivity to lesions at each number of false positives, or why there is none."""
    if not agreement.lesions:
        return f"no lesion is {ISOLATED:g} µm or larger, so FROC is not defined"
    rates = [f"{value:.3f} at {rate}" for rate, value in agreement.sensitivities.items()]
    return f"sensitivity to lesions by false positives per slide: {', '.join(rates)}"


def format_slides(summaries: Mapping[str, SlideSummary]) -> str:
    """Return a table with a row per slide.

    Args:
        summaries: of the slides, by name.
    """
    rows = []
    for name, summary in summaries.items():
        row = [
            name,
            f"{summary['patches']:,}",
            f"{summary['tissue_area']:.4g}",
            f"{100 * summary['called_share']:.2f}",
            f"{summary['regions']:,}",
            f"{summary['largest_region']:.4g}",
            f"{summary['highest_probability']:.4f}",
        ]
        rows.append(row)
    return format_table(HEAD, rows)
