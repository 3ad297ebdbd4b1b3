"""How predictions change if the view of a patch is shifted, rotated or disturbed by noise."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from tqdm import tqdm

from pcam.data.base import MaskedPatchSource, PatchSource
from pcam.data.crop import centre_square
from pcam.position_bias import views
from pcam.position_bias.probe import MIDDLE, Probe
from pcam.position_bias.results import LabellingRule, MapRow
from pcam.position_bias.views import Offsets
from pcam.stats.agreement import Change
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import Interval, bootstrap_mean
from pcam.stats.metrics import Floats, classification_metrics

MAP_STEPS = 8  # steps from one side of the shift map to the other, if no step is set


def view_logodds(probe: Probe, offsets: Offsets) -> dict[str, Floats]:
    """Return the log-odds (N,) of each kind of view.

    Args:
        probe: the network and its patches.
        offsets: (N, 2), of the shifted views.

    Returns:
        "noise"; "turn", rotated; "shift"; and "shift_turn", both.
    """
    shifted = probe.view.crop_at(probe.patches, offsets)
    noisy = views.add_noise(probe.unshifted, probe.indices, probe.seed)
    return {
        "noise": probe.logodds(noisy),
        "turn": probe.logodds(views.rotate_views(probe.unshifted)),
        "shift": probe.logodds(shifted),
        "shift_turn": probe.logodds(views.rotate_views(shifted)),
    }


def view_changes(probe: Probe, logodds: Mapping[str, Floats]) -> dict[str, Change]:
    """Compare each kind of view with the view of training; all but noise also with noise."""
    changes = {}
    for name, values in logodds.items():
        noise = None if name == "noise" else logodds["noise"]
        changes[name] = probe.change(values, noise)
    return changes


def apply_labelling_rule(
    probe: Probe, source: PatchSource, offsets: Offsets, side: int, shifted: Floats
) -> LabellingRule | None:
    """Measure what a shift changes for two readers of the true tumour masks.

    One applies the labelling rule to the centre of the view; it is right to change its
    prediction. One counts the tumour pixels in the whole view; their position has no effect on it.

    Args:
        probe: the network and its patches.
        source: of the patches.
        offsets: (N, 2), of the shifted views.
        side: of the centre square that decides the label, pixels.
        shifted: (N,), log-odds of the shifted views.

    Returns:
        Figures with intervals; None if the source has no masks or the view is smaller than the
            square.
    """
    if not isinstance(source, MaskedPatchSource) or min(probe.view.shape) < side:
        return None
    masks = source.masks(probe.indices)[..., None].astype(np.uint8)
    mask_before = probe.view.crop_at(masks, MIDDLE)[..., 0]
    mask_after = probe.view.crop_at(masks, offsets)[..., 0]
    middle = centre_square(side, *probe.view.shape)
    rule_before = np.asarray(mask_before[:, middle].max(1), np.float64)
    rule_after = np.asarray(mask_after[:, middle].max(1), np.float64)
    unchanged = rule_before == rule_after
    agrees = (probe.reference >= 0) == (shifted >= 0)
    return LabellingRule(
        centre_only=_auroc_change(probe, rule_after, rule_before),
        tumour_share=_auroc_change(probe, mask_after.mean((1, 2)), mask_before.mean((1, 2))),
        unchanged=_share(probe, unchanged, np.ones_like(unchanged)),
        agreement_where_unchanged=_share(probe, agrees, unchanged),
        agreement_where_changed=_share(probe, agrees, ~unchanged),
    )


def _share(probe: Probe, values: NDArray[np.bool_], among: NDArray[np.bool_]) -> Interval:
    """Return the share of true values among some patches, with its interval."""
    return bootstrap_mean(
        np.where(among, values, np.nan),
        probe.slides,
        bounded=True,
        resamples=probe.resamples,
        seed=probe.seed,
    )


def _auroc_change(probe: Probe, after: Floats, before: Floats) -> Interval:
    """Return the difference of the AUROC of two scores (N,) of the patches, with its interval."""
    difference = paired_difference(
        after,
        before,
        probe.labels,
        probe.slides,
        metrics=("auroc",),
        resamples=probe.resamples,
        seed=probe.seed,
    )
    return difference["auroc"]


def map_shifts(probe: Probe, count: int, step: int | None, side: int) -> list[MapRow]:
    """Measure the predictions of the first patches at each offset of a grid.

    Args:
        probe: the network and its patches.
        count: how many of the patches; 0: an empty map.
        step: pixels between offsets; None: about nine offsets a side.
        side: of the centre square that decides the label, pixels.
    """
    if count == 0:
        return []
    patches = probe.patches[:count]
    labels = probe.labels[:count]
    reference = probe.reference[:count] >= 0
    widest = int((probe.view.high - probe.view.low).max())
    offsets = probe.view.grid(step or max(1, -(-widest // MAP_STEPS)))
    contained = probe.view.contains_centre(side, offsets)
    rows: list[MapRow] = []
    for number in tqdm(
        range(len(offsets)), unit="offset", desc="shift map", disable=None, leave=False
    ):
        logodds = probe.logodds(probe.view.crop_at(patches, offsets[number]))
        probability = expit(logodds)
        figures = classification_metrics(logodds, labels, metrics=("auroc",), log_odds=True)
        rows.append(
            {
                "row": int(offsets[number, 0]),
                "column": int(offsets[number, 1]),
                "holds_centre": bool(contained[number]),
                "agreement": float(((logodds >= 0) == reference).mean()),
                "auroc": figures["auroc"],
                "positives": float(probability[labels == 1].mean()),
                "negatives": float(probability[labels == 0].mean()),
            }
        )
    return rows
