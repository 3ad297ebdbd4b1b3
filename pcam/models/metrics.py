"""Metrics of valid and test by name.

A registered metric is a function ``(probability, label) -> float``: the probability of the positive
class, float64 (N,), and the label, uint8 (N,), of every patch of a split, each once. It is logged
after every epoch as ``valid/NAME`` and is a column of metrics.csv::

    @register_metric("brier_skill")
    def brier_skill(probability, label): ...
"""

from collections.abc import Callable

from pcam.config.registry import register_metric
from pcam.stats.metrics import METRICS, Floats, Labels, classification_metrics

MetricFunction = Callable[[Floats, Labels], float]


def _builtin_metric(name: str) -> MetricFunction:
    def compute(probability: Floats, label: Labels) -> float:
        return classification_metrics(probability, label, metrics=(name,))[name]

    return compute


for _name in METRICS:
    register_metric(_name)(_builtin_metric(_name))
