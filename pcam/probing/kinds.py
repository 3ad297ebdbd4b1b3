"""The probes that a config asks for, each a function from features to scores."""

from collections.abc import Callable, Mapping

from pcam.config.schema import ProbeConfig
from pcam.data.features import Features
from pcam.probing.classifiers import (
    SplitFeatures,
    centre,
    fit_linear,
    score_few_shots,
    score_means,
    score_neighbours,
)
from pcam.stats.metrics import Floats

Known = Mapping[str, SplitFeatures]
Work = Callable[[Known], tuple[Floats, str]]


def list_probes(config: ProbeConfig) -> dict[str, Work]:
    """Return the probes for the class by name: from features to scores (D, N) and a note."""
    probes: dict[str, Work] = {}
    for name in config.probes:
        if name == "linear":
            probes[name] = _linear
        elif name == "knn":
            probes[f"{config.neighbours} neighbours"] = _neighbours(config.neighbours)
        elif name == "mean":
            probes["class means"] = _means
        elif name == "few_shot":
            for shots in config.shots:
                probes[f"{shots} per class"] = _few_shots(shots, config.draws, config.seed)
    return probes


def _linear(known: Known) -> tuple[Floats, str]:
    fit = fit_linear(known["train"], known["valid"], known["test"].features)
    return fit.score[None], f"C={fit.strength:g}"


def _neighbours(count: int) -> Work:
    def work(known: Known) -> tuple[Floats, str]:
        return score_neighbours(known["train"], known["test"].features, count)[None], ""

    return work


def _means(known: Known) -> tuple[Floats, str]:
    train, test = _centred(known)
    return score_means(train, test)[None], ""


def _few_shots(shots: int, draws: int, seed: int) -> Work:
    def work(known: Known) -> tuple[Floats, str]:
        train, test = _centred(known)
        return score_few_shots(train, test, shots, draws, seed), f"mean of {draws} draws"

    return work


def _centred(known: Known) -> tuple[SplitFeatures, Features]:
    """Return train and the features of test, centred."""
    train = known["train"].features
    centred = SplitFeatures(centre(train, train), known["train"].label)
    return centred, centre(train, known["test"].features)
