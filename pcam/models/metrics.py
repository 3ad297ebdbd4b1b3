"""Metrics of valid and test by name.

A registered metric is a function ``(probability, label) -> float``: the probability of the positive
class, float64 (N,), and the label, uint8 (N,), of every patch of a split, each once. It is logged
after every epoch as ``valid/NAME`` and is a column of metrics.csv::

    @register_metric("brier_skill")
    def brier_skill(probability, label): ...

With ``log_odds=True`` it is given the log-odds, float64 (N,), in place of the probabilities: these
round to equal numbers where a network is very sure, so a metric of the ranking needs the log-odds::

    @register_metric("partial_auroc", log_odds=True)
    def partial_auroc(logit, label): ...
"""

from collections.abc import Callable

from pcam.config.registry import register_metric
from pcam.stats.metrics import METRICS, Floats, Labels, classification_metrics

MetricFunction = Callable[[Floats, Labels], float]


def _builtin_metric(name: str) -> MetricFunction:
    def compute(logit: Floats, label: Labels) -> float:
        return classification_metrics(logit, label, metrics=(name,), log_odds=True)[name]

    return compute


for _name in METRICS:
    register_metric(_name, log_odds=True)(_builtin_metric(_name))
