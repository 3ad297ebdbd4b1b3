"""What becomes of a network's answers when what it sees is moved, turned, disturbed or mixed (the study's 3.7)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from tqdm import tqdm

from pcam.data.base import Indices, MaskedPatchSource, PatchSource, Pixels
from pcam.data.crop import centre_square as centre_of
from pcam.models.classifier import PatchClassifier
from pcam.position_bias import views
from pcam.position_bias.views import Offsets, View
from pcam.stats.agreement import Change, change
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import bootstrap_mean
from pcam.stats.metrics import Floats, Labels, classification_metrics

AS_TRAINED = np.zeros(2, np.int64)  # the offset of what a network sees of a patch by itself


class Probe:
    """A network and the patches that it is asked about, again and again.

    Args:
        model: in eval mode.
        patches: uint8 (N, H, W, 3), whole.
        indices: (N,) in their source, to which all draws belong.
        labels: (N,), 0 or 1.
        groups: N slide names, or None.
        view: what the network sees of a patch.
        batch: patches that it sees at once.
        seed: of the draws.

    Attributes:
        as_trained: what it sees of them by itself.
        before: (N,), its log-odds of that.
    """

    def __init__(
        self, model: PatchClassifier, patches: Pixels, indices: Indices, labels: Labels, groups: list[str] | None,
        view: View, batch: int, seed: int,
    ) -> None:  # fmt: skip
        self.model, self.patches, self.indices, self.labels, self.groups = (
            model,
            patches,
            indices,
            labels,
            groups,
        )
        self.view, self.batch, self.seed = view, batch, seed
        self.as_trained = self.seen(patches)
        self.before = logodds(model, self.as_trained, batch)

    def seen(self, patches: Pixels) -> Pixels:
        """Return what the network sees of patches as it was trained."""
        return self.view.at(patches, AS_TRAINED)

    def logodds(self, shown: Pixels) -> Floats:
        """Return the log-odds (n,) of views (n, h, w, 3)."""
        return logodds(self.model, shown, self.batch)

    def change(
        self, after: Floats, drawn: Mapping[str, Any], floor: Floats | None = None
    ) -> Change:
        """Compare log-odds (N,) with those of the patches as they are; see ``stats.agreement.change``."""
        return change(self.before, after, self.labels, self.groups, floor=floor, **drawn)


def logodds(model: PatchClassifier, shown: Pixels, batch: int) -> Floats:
    """Return a network's log-odds (n,) of what it is shown (n, h, w, 3), in full precision, ``batch`` at once."""
    with torch.inference_mode():
        parts = [
            model(
                torch.from_numpy(shown[i : i + batch])
                .permute(0, 3, 1, 2)
                .contiguous()
                .to(model.device)
            )
            for i in range(0, len(shown), batch)
        ]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def answers(asked: Probe, offsets: Offsets) -> dict[str, Floats]:
    """Return the log-odds (N,) by view: with noise that nobody sees, turned, seen from offsets (N, 2), and both."""
    elsewhere = asked.view.at(asked.patches, offsets)
    return {
        "noise": asked.logodds(views.add_noise(asked.as_trained, asked.indices, asked.seed)),
        "turn": asked.logodds(views.rotate_views(asked.as_trained)),
        "shift": asked.logodds(elsewhere),
        "shift_turn": asked.logodds(views.rotate_views(elsewhere)),
    }


def changes(asked: Probe, after: Mapping[str, Floats], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the study's experiment and its parts, those beside noise also beyond it."""
    return {
        name: asked.change(one, drawn, None if name == "noise" else after["noise"])
        for name, one in after.items()
    }


def by_law(
    asked: Probe,
    source: PatchSource,
    offsets: Offsets,
    centre: int,
    after: Floats,
    drawn: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Tell, where tumour is known, what moving the view changes for networks that need no training.

    One has learned the law and looks at the view's own centre: it is right to change its mind. One counts tumour wherever it
    lies in the view: place is nothing to it.

    Args:
        asked: the network and its patches.
        source: of the patches.
        offsets: (N, 2), of the moved views.
        centre: side of the square, pixels.
        after: (N,), log-odds of the moved views.
        drawn: resamples and seed of the bootstrap.

    Returns:
        Shares with intervals, and "law" and "count": the change of these networks' AUROC (of the patches' labels, as all
        others). None where tumour is not known or the view is smaller than the square.
    """
    if not isinstance(source, MaskedPatchSource) or min(asked.view.shape) < centre:
        return None
    masks = source.masks(asked.indices)[..., None].astype(np.uint8)
    middle = centre_of(centre, *asked.view.shape)
    seen, moved = (asked.view.at(masks, offset)[..., 0] for offset in (AS_TRAINED, offsets))
    right, now = (shown[:, middle].any(1) for shown in (seen, moved))
    stays = right == now
    same = (asked.before >= 0) == (after >= 0)

    def share(values: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
        return bootstrap_mean(np.where(among, values, np.nan), asked.groups, bounded=True, **drawn)

    def auroc(first: NDArray[Any], second: NDArray[Any]) -> dict[str, float]:
        pair = (first.astype(np.float64), second.astype(np.float64))
        return paired_difference(*pair, asked.labels, asked.groups, metrics=("auroc",), **drawn)[
            "auroc"
        ]

    return {
        "law": auroc(np.asarray(now), np.asarray(right)),
        "count": auroc(moved.mean((1, 2)), seen.mean((1, 2))),
        "stays": share(stays, np.ones_like(stays)),
        "agreement_where_it_stays": share(same, stays),
        "agreement_where_it_changes": share(same, ~stays),
    }


def parts(asked: Probe, centre: int) -> dict[tuple[str, str], Pixels]:
    """Return the patches, whole, with their ring or their centre another patch's, blurred or of one colour.

    Returns:
        Patches by (which part, what is in its place); none where the network sees no ring.
    """
    if asked.view.size is not None and asked.view.size <= centre:
        return {}
    square = centre_of(centre, *asked.patches.shape[1:3])
    made: dict[tuple[str, str], Pixels] = {}
    for name, region in (("ring", ~square), ("centre", square)):
        for label, called in ((0, "negative"), (1, "positive")):
            others = views.partners(asked.labels, asked.indices, label, asked.seed)
            if len(others):
                made[name, called] = views.exchange_region(
                    asked.patches, asked.patches[others], region
                )
        made[name, "blurred"] = views.blur_region(asked.patches, region)
        made[name, "filled"] = views.fill_region(asked.patches, region)
    return made


def swapped(
    asked: Probe, made: Mapping[tuple[str, str], Pixels], drawn: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Measure what becomes of the answers to what ``parts`` made.

    Returns:
        A row for each, and for each region another positive's less another negative's: the cut, which both have, cancels.
    """
    after = {key: asked.logodds(asked.seen(patches)) for key, patches in made.items()}
    rows: list[dict[str, Any]] = [
        {"region": region, "given": given, **asked.change(one, drawn)}
        for (region, given), one in after.items()
    ]
    for region in ("ring", "centre"):
        if (region, "positive") in after and (region, "negative") in after:
            less = after[region, "positive"] - after[region, "negative"]
            sides = {
                side: bootstrap_mean(
                    np.where(asked.labels == label, less, np.nan), asked.groups, **drawn
                )
                for label, side in ((1, "positive"), (0, "negative"))
            }
            rows.append({"region": region, "given": "contrast", "logodds": sides})
    return rows


def from_offsets(asked: Probe, count: int, step: int | None, centre: int) -> list[dict[str, float]]:
    """Measure the answers to the first patches from every offset.

    Args:
        asked: the network and its patches.
        count: of the patches; 0: nothing is measured.
        step: pixels between offsets; None: so many that there are about nine a side.
        centre: side of the square that the label depends on, pixels.
    """
    if count == 0:
        return []
    patches, labels, before = asked.patches[:count], asked.labels[:count], asked.before[:count]
    widest = int((asked.view.high - asked.view.low).max())
    rows, columns = asked.view.grid(step or max(1, -(-widest // 8)))
    places = np.array([(row, column) for row in rows for column in columns])
    holds = asked.view.holds(centre, places)
    found = []
    for place, held in zip(
        tqdm(places, unit="offset", desc="shift map", disable=None, leave=False), holds, strict=True
    ):
        after = asked.logodds(asked.view.at(patches, place))
        probability = expit(after)
        found.append(
            {
                "row": int(place[0]),
                "column": int(place[1]),
                "holds_centre": bool(held),
                "agreement": float(((after >= 0) == (before >= 0)).mean()),
                "auroc": classification_metrics(probability, labels, metrics=("auroc",))["auroc"],
                "positives": float(probability[labels == 1].mean()),
                "negatives": float(probability[labels == 0].mean()),
            }
        )
    return found
