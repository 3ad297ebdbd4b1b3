"""What is done once in a test process: most tests use the same few patches and command lines."""

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import JobRuntime
from omegaconf import DictConfig

from pcam.data.sources.synthetic.source import SyntheticSource

Rendered = tuple[np.ndarray, np.ndarray]
Render = Callable[[SyntheticSource, int], Rendered]
Compose = Callable[..., DictConfig]


def rendered_once(render: Render) -> Render:
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


def composed_once(load: Compose) -> Compose:
    """Return Hydra's ``load_configuration`` with a memory of what decides a config.

    Hydra composes each command line twice, a quarter of a second each. Files of a user's own are
    read anew each time: a test may change them.
    """
    known: dict[tuple[Any, ...], DictConfig] = {}

    def remembered(
        loader: ConfigLoaderImpl, config_name: str, overrides: list[str], *rest: Any, **more: Any
    ) -> DictConfig:
        if any("searchpath" in override for override in overrides):
            return load(loader, config_name, overrides, *rest, **more)
        places = tuple(str(place) for place in loader.config_search_path.get_path())
        job = str(JobRuntime.instance().conf)
        key = (config_name, *overrides, places, job, rest, *more.items())
        if key not in known:
            known[key] = load(loader, config_name, overrides, *rest, **more)
        config = copy.deepcopy(known[key])
        config.hydra.runtime.cwd = os.getcwd()
        return config

    return remembered
