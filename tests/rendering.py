"""Synthetic patches that are rendered once in a test process: most tests train on the same few."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pcam.data.sources.synthetic.source import SyntheticSource

Rendered = tuple[np.ndarray, np.ndarray]
Render = Callable[[SyntheticSource, int], Rendered]


def once(render: Render) -> Render:
    """Return ``SyntheticSource._render`` with a memory of what decides a patch."""
    known: dict[tuple[Any, ...], Rendered] = {}

    def remembered(source: SyntheticSource, index: int) -> Rendered:
        stain = source._stains[source._slides[index]]
        arrays = (stain.density.tobytes(), stain.light.tobytes())
        numbers = (stain.blur, stain.sharpen, stain.noise)
        label = bool(source.labels[index])
        key = (source._key, index, label, source.place, arrays, numbers)
        if key not in known:
            known[key] = render(source, index)
            for array in known[key]:
                array.flags.writeable = False
        return known[key]

    return remembered
