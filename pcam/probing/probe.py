"""Probes of several backbones on the same patches, with intervals and paired tests."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from pcam.config.schema import ProbeConfig
from pcam.config.sections import DataConfig
from pcam.data.base import PatchSource
from pcam.data.features import Features
from pcam.data.loading import open_splits
from pcam.evaluation.pairs import add_corrected_p
from pcam.features.cache import FeatureCache
from pcam.features.view import PatchView, digest_patches
from pcam.probing.backbones import ProbedBackbone, list_backbones, open_runs
from pcam.probing.classifiers import SplitFeatures
from pcam.probing.data import SPLITS, check_splits, choose_data
from pcam.probing.kinds import list_probes
from pcam.probing.projection import Projection, choose_shown, project
from pcam.probing.results import PROBE_METRICS, SLIDE_PROBE, ProbePair, ProbeRow, Probes
from pcam.probing.slides import (
    SlidePatches,
    balanced_accuracy,
    choose_slide_patches,
    predict_slides,
)
from pcam.stats.compare import paired_difference
from pcam.stats.draws import bootstrap_over_draws
from pcam.stats.intervals import unit
from pcam.stats.metrics import Labels

Known = Mapping[str, SplitFeatures]

log = logging.getLogger(__name__)


def probe(config: ProbeConfig) -> Probes:
    """Probe the features of backbones.

    Args:
        config: of ``pcam.probe``.

    Raises:
        PcamError: a backbone, the data or the cache cannot be used.
    """
    runs = open_runs(config)
    data, splits, seed = choose_data(config, runs)
    opened = open_splits(data, splits, seed)
    labels = check_splits(config, data, opened)
    assert opened.size is not None
    backbones = list_backbones(config, runs, max(opened.size))
    digests = {split: digest_patches(opened.splits[split]) for split in SPLITS}
    groups = opened.splits["test"].groups
    slides = choose_slide_patches(groups, config.seed) if "slide" in config.probes else None
    shown = choose_shown(opened.splits["test"], config.seed)
    cache = feature_cache(config, data)
    rows: list[ProbeRow] = []
    projections: dict[str, Projection] = {}
    for backbone in backbones:
        known = _obtain(cache, opened.splits, digests, backbone)
        rows += _probe_backbone(config, backbone.name, known, groups)
        if isinstance(slides, SlidePatches):
            rows.append(_probe_slides(config, backbone.name, known["test"].features, slides))
        test = known["test"].features[shown.rows]
        projections[backbone.name] = project(known["train"].features, test, config.seed)
    return Probes(
        data=data.name,
        patches={split: len(labels[split]) for split in SPLITS},
        unit=unit(groups),
        classes=opened.classes,
        weights={backbone.name: backbone.weights for backbone in backbones},
        widths={backbone.name: backbone.extractor.width for backbone in backbones},
        rows=rows,
        slides=slides,
        shown=shown,
        projections=projections,
        pairs=compare_backbones(config, rows, labels["test"], groups),
        resamples=config.resamples,
        seed=config.seed,
    )


def feature_cache(config: ProbeConfig, data: DataConfig) -> FeatureCache:
    """Return where features are kept, and how patches are read."""
    return FeatureCache(
        folder=Path(config.features.cache),
        dtype=config.features.dtype,
        batch_size=data.batch_size,
        num_workers=data.num_workers,
        worker_timeout=data.worker_timeout,
    )


def _obtain(
    cache: FeatureCache,
    sources: Mapping[str, PatchSource],
    digests: Mapping[str, str],
    backbone: ProbedBackbone,
) -> dict[str, SplitFeatures]:
    """Return the features of each split, from the cache or computed."""
    found = {}
    for split in SPLITS:
        source = sources[split]
        assert source.labels is not None
        view = PatchView(split, source, digests[split], backbone.crop)
        features = cache.obtain(backbone.extractor, view).read_all()
        found[split] = SplitFeatures(features, source.labels)
    return found


def _probe_backbone(
    config: ProbeConfig, backbone: str, known: Known, groups: Sequence[str] | None
) -> Iterator[ProbeRow]:
    """Yield the probes of a backbone.

    Args:
        config: of ``pcam.probe``.
        backbone: its name.
        known: its features of each split.
        groups: the slides of the test patches, or None.
    """
    for name, work in list_probes(config).items():
        score, detail = work(known)
        metrics = bootstrap_over_draws(
            score,
            known["test"].label,
            groups,
            metrics=PROBE_METRICS,
            resamples=config.resamples,
            seed=config.seed,
        )
        log.info(f"{backbone}, {name}: AUROC {metrics['auroc']['value']:.4f}")
        yield ProbeRow(backbone, name, detail, metrics, score)


def _probe_slides(
    config: ProbeConfig, backbone: str, test: Features, slides: SlidePatches
) -> ProbeRow:
    """Return how well the slides of patches are predicted from the features of a backbone.

    Args:
        config: of ``pcam.probe``.
        backbone: its name.
        test: float32 (N, F), of the test patches.
        slides: which of them are predicted.
    """
    predicted = predict_slides(test[slides.rows], slides.slide)
    interval = balanced_accuracy(predicted, slides.slide, config.resamples, config.seed)
    log.info(f"{backbone}, {SLIDE_PROBE}: balanced accuracy {interval['value']:.4f}")
    metrics = {"balanced_accuracy": interval}
    return ProbeRow(backbone, SLIDE_PROBE, slides.text, metrics, np.empty((0, len(test))))


def compare_backbones(
    config: ProbeConfig, rows: Sequence[ProbeRow], label: Labels, groups: Sequence[str] | None
) -> list[ProbePair]:
    """Test each pair of backbones by each probe; p is corrected for the pairs of a probe.

    Probes of several draws are left out: each pair would resample all of their classifiers anew.
    So is the slide probe, which has no AUROC.

    Args:
        config: of ``pcam.probe``.
        rows: of all backbones.
        label: of the test patches, (N,).
        groups: N slide names, or None.
    """
    pairs: list[ProbePair] = []
    for name in dict.fromkeys(row.probe for row in rows):
        of_probe = [row for row in rows if row.probe == name and len(row.score) == 1]
        found = []
        for first, second in combinations(of_probe, 2):
            tests = paired_difference(
                first.score,
                second.score,
                label,
                groups,
                log_odds=True,
                metrics=("auroc",),
                resamples=config.resamples,
                seed=config.seed,
            )
            found.append(ProbePair(name, first.backbone, second.backbone, tests["auroc"]))
        add_corrected_p([pair.auroc for pair in found])
        pairs += found
    return pairs
