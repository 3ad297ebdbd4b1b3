"""Maps as they are left in a folder: raw in one file, drawn in sheets and panels."""

import io
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pcam.attribution import plots as pictures
from pcam.attribution.explainer import METHODS
from pcam.attribution.options import Maps, Options
from pcam.attribution.patches import Patches, Split, caption
from pcam.attribution.scorer import Scorer
from pcam.data.base import Indices
from pcam.runs.files import write_file

PAGE = 24  # patches of a sheet
FEATURED = 8  # patches whose feature maps are drawn


def keep(
    folder: Path, about: Mapping[str, str], split: Split, chosen: Indices, patches: Patches, found: Mapping[str, Maps],
    layer: str | None, options: Options,
) -> None:  # fmt: skip
    """Write maps.h5: the patches, what is known of them, and each method's maps as they are, float32 (N, H, W).

    The file's own attributes are ``about``, which says what was explained, and all of ``options``.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update({**about, **asdict(options)})
        file["patches"] = patches.shown
        file["id"] = np.array([split.source.ids[i] for i in chosen], h5py.string_dtype())
        file["probability"] = split.probability[chosen]
        if split.source.labels is not None:
            file["label"] = split.source.labels[chosen]
        for name, region in patches.regions.items():
            file[f"regions/{name}"] = region.numpy()
        for name, maps in found.items():
            held = file.create_dataset(f"maps/{name}", data=maps.values.numpy(), compression="gzip")
            held.attrs.update(unit=METHODS[name].unit, signed=METHODS[name].signed)
            if METHODS[name].baseline:
                held.attrs["baseline"] = options.baseline
            if METHODS[name].of_layer and layer is not None:
                held.attrs["layer"] = layer
            if maps.complete:
                held.attrs["completeness_gap"], held.attrs["steps"] = (
                    maps.gap.numpy(),
                    maps.steps.numpy(),
                )
    write_file(folder / "maps.h5", buffer.getvalue())


def draw(
    folder: Path,
    title: str,
    split: Split,
    chosen: Indices,
    patches: Patches,
    found: Mapping[str, Maps],
) -> None:
    """Draw the sheet of all patches and a panel of each."""
    captions = [caption(split.source, int(i), split.probability[i]) for i in chosen]
    maps, squares = drawable(found), patches.squares
    for first in range(0, len(chosen), PAGE):
        page = slice(first, first + PAGE)
        picture = pictures.sheet(title, patches.shown, maps, captions, squares, page)
        write_file(
            folder / "figures" / (f"sheet-{first // PAGE + 1}.png" if first else "sheet.png"),
            picture,
        )
    for i, patch in enumerate(
        tqdm(patches.shown, unit="panel", desc="drawing", disable=None, leave=False)
    ):
        lines = [" · ".join(captions[i].split("\n"))]
        lines += [
            f"{METHODS[name].title}: {100 * float(one.gap[i]):.2f} % from complete"
            + (f" in {int(one.steps[i])} steps" if one.steps[i] else "")
            for name, one in found.items()
            if one.complete
        ]
        picture = pictures.panel(
            patch, maps, i, "\n".join(lines), None if squares is None else squares[i]
        )
        name = re.sub(r"[^\w-]+", "_", split.source.ids[chosen[i]])
        write_file(folder / "figures" / "panels" / f"{i + 1:03}-{name}.png", picture)


def draw_features(
    folder: Path,
    title: str,
    scorer: Scorer,
    name: str,
    module: nn.Module,
    split: Split,
    chosen: Indices,
) -> None:
    """Draw the feature maps of a layer."""
    patches = split.read(chosen)
    x = scorer.normalised(patches.images)
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(
        lambda layer, inputs, out: outputs.append(out.detach().float().cpu())
    )
    with torch.no_grad():
        scorer(x)
    handle.remove()
    captions = [caption(split.source, int(i), split.probability[i]) for i in chosen]
    picture = pictures.features(
        f"{title}: feature maps of {name}", patches.shown, outputs[0].numpy(), captions
    )
    write_file(folder / "figures" / "feature_maps.png", picture)


def drawable(found: Mapping[str, Maps]) -> list[pictures.Drawn]:
    """Return maps as they are drawn."""
    return [
        pictures.Drawn(
            METHODS[name].title, METHODS[name].unit, METHODS[name].signed, maps.values.numpy()
        )
        for name, maps in found.items()
    ]
