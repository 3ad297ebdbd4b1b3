"""What is done once in a test process: most tests use the same few patches and command lines."""

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList
from hydra._internal.hydra import Hydra
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig

from pcam.data.sources.synthetic.source import SyntheticSource

Rendered = tuple[np.ndarray, np.ndarray]
Render = Callable[[SyntheticSource, int], Rendered]
Compose = Callable[..., DictConfig]
Load = Callable[[ConfigRepository, str], ConfigResult | None]
Merge = Callable[[ConfigLoaderImpl, list[ResultDefault], IConfigRepository], DictConfig]
Choose = Callable[..., DefaultsList]
GetMode = Callable[[Hydra, str, list[str]], RunMode | None]
PROVIDERS = ("main", "hydra", "schema")  # of configs that no test writes


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

    Hydra composes each command line twice, a quarter of a second each. A command line that names
    files of a user's own is composed anew each time: a test may change them.
    """
    known: dict[tuple[Any, ...], bytes] = {}  # not objects, which the garbage collector visits

    def remembered(
        loader: ConfigLoaderImpl, config_name: str, overrides: list[str], *rest: Any, **more: Any
    ) -> DictConfig:
        if any("searchpath" in override for override in overrides):
            return load(loader, config_name, overrides, *rest, **more)
        places = tuple(str(place) for place in loader.config_search_path.get_path())
        job = str(JobRuntime.instance().conf)
        key = (config_name, *overrides, places, job, rest, *more.items())
        if key not in known:
            known[key] = pickle.dumps(load(loader, config_name, overrides, *rest, **more))
        config: DictConfig = pickle.loads(known[key])
        config.hydra.runtime.cwd = os.getcwd()
        return config

    return remembered


def loaded_once(load: Load) -> Load:
    """Return the ``load_config`` of Hydra's repository with a memory of the package's own files."""
    known: dict[tuple[Any, ...], bytes] = {}

    def remembered(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
        if not _has_own_files_only(repository):
            return load(repository, config_path)
        key = (config_path, _places(repository))
        if key not in known:
            known[key] = pickle.dumps(load(repository, config_path))
        result: ConfigResult | None = pickle.loads(known[key])
        return result

    return remembered


def merged_once(merge: Merge) -> Merge:
    """Return Hydra's merge of a list of configs with a memory of lists of the package's own files.

    Values of the command line are set after it, in another place.
    """
    known: dict[tuple[Any, ...], bytes] = {}

    def remembered(
        loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        if not _has_own_files_only(repo):
            return merge(loader, defaults, repo)
        key = (_places(repo), *[tuple(vars(default).values()) for default in defaults])
        if key not in known:
            known[key] = pickle.dumps(merge(loader, defaults, repo))
        config: DictConfig = pickle.loads(known[key])
        return config

    return remembered


def chosen_once(choose: Choose) -> Choose:
    """Return Hydra's ``create_defaults_list`` with a memory of what the groups' choices lead to."""
    known: dict[tuple[Any, ...], bytes] = {}

    def remembered(
        repo: IConfigRepository,
        config_name: str | None,
        overrides_list: list[Override],
        prepend_hydra: bool,
        skip_missing: bool,
    ) -> DefaultsList:
        settings = (prepend_hydra, skip_missing)
        if not _has_own_files_only(repo):
            return choose(repo, config_name, overrides_list, *settings)
        values = [one for one in overrides_list if _sets_a_value(repo, one)]
        choices = [one for one in overrides_list if one not in values]
        words = [one.input_line for one in choices]
        key = (_places(repo), config_name, *words, *settings)
        if key not in known:
            known[key] = pickle.dumps(choose(repo, config_name, choices, *settings))
        chosen: DefaultsList = pickle.loads(known[key])
        chosen.config_overrides = values
        return chosen

    return remembered


def _sets_a_value(repo: IConfigRepository, override: Override) -> bool:
    """Return whether a word of a command line sets a key, and does not choose from a group."""
    if override.is_sweep_override():
        return False
    return isinstance(override.value(), dict) or not repo.group_exists(override.key_or_group)


def _places(repo: IConfigRepository) -> tuple[str, ...]:
    return tuple(f"{source.provider} {source.path}" for source in repo.get_sources())


def _has_own_files_only(repo: IConfigRepository) -> bool:
    return all(source.provider in PROVIDERS for source in repo.get_sources())


def mode_read(get_mode: GetMode) -> GetMode:
    """Return Hydra's ``get_mode``, which composes a config for a key that is seldom set."""

    def read(hydra: Hydra, config_name: str, overrides: list[str]) -> RunMode | None:
        if any("hydra.mode" in override for override in overrides):
            return get_mode(hydra, config_name, overrides)
        return None

    return read
