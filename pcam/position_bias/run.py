"""Whether predictions depend on the position in a patch (section 3.7 of the study)."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit

from pcam.config.schema import BiasConfig
from pcam.data.base import Pixels
from pcam.errors import ConfigError, DataError
from pcam.evaluation.compare import compare_predictions
from pcam.evaluation.inference import predict_logits
from pcam.evaluation.predictions import find_predictions
from pcam.position_bias import metrics, swaps, tables, views
from pcam.position_bias.probe import Probe
from pcam.position_bias.results import BiasComparison, Effects, PositionBias, RunFacts
from pcam.position_bias.sample import Sample, open_sample
from pcam.position_bias.views import Offsets, View
from pcam.runs.folder import read_config
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import Interval, bootstrap_metrics, unit
from pcam.stats.metrics import Floats

EXAMPLES = 6  # patches of the figure of examples

log = logging.getLogger(__name__)


def measure_bias(config: BiasConfig, run: Path | None = None) -> PositionBias:
    """Measure how a run's predictions change when its patches are shifted, rotated and mixed.

    Args:
        config: of the command.
        run: folder of the run; by default ``config.run``.

    Raises:
        PcamError: the run, the data or a setting cannot be used, or the run's view of a patch
            cannot be shifted.
    """
    sample = open_sample(config, Path(str(config.run)) if run is None else run)
    view = sample.view(config.reach)
    if view is None:
        raise ConfigError(
            f"crop={sample.crop.mode}: this network's view of a patch cannot be shifted; "
            "compare it with other runs: runs=[...]"
        )
    return _measure(config, sample, view)


def measure_runs(config: BiasConfig) -> Iterator[PositionBias]:
    """Measure each of several runs on the same patches.

    A run whose view cannot be shifted has no effects and can be compared all the same.

    Raises:
        PcamError: as of ``measure_bias``, or the runs' patches differ.
    """
    if config.runs is None:
        raise ConfigError("runs=[FOLDER, GLOB, ...] must be given")
    runs = [path.parent.parent for path in find_predictions(config.runs, config.split)]
    for run in runs:
        read_config(run)  # fails before the long work
    first: PositionBias | None = None
    for number, run in enumerate(runs, 1):
        log.info("%d of %d: %s", number, len(runs), run)
        sample = open_sample(config, run)
        if first is not None and sample.ids != first.ids:
            raise DataError(
                f"{run} has other patches than {first.facts.run}: name one source for both, data="
            )
        result = _measure(config, sample, sample.view(config.reach))
        first = first or result
        yield result


def compare_runs(results: Sequence[PositionBias], folder: Path) -> BiasComparison:
    """Compare several runs on the same patches.

    A run trained on random crops cannot depend on the position. What a shift costs another run
    beyond what it costs that one is due to the position.

    Args:
        results: of ``measure_runs``, at least one.
        folder: where each was written, by ``write_bias`` to a subfolder of ``result_names``.
    """
    names = result_names(results)
    compared = None
    if len(results) > 1:
        facts = results[0].facts
        files = [folder / name / "predictions" / f"{facts.split}.csv" for name in names]
        compared = compare_predictions(
            files, facts.split, resamples=facts.resamples, seed=facts.seed
        )
    beyond = [_beyond_random(result, results) for result in results]
    return BiasComparison(names, list(results), beyond, compared)


def result_names(results: Sequence[PositionBias]) -> list[str]:
    """Return the name of each result's subfolder: its number and its run's folder."""
    return [f"{number}-{Path(one.facts.run).name}" for number, one in enumerate(results, 1)]


def _measure(config: BiasConfig, sample: Sample, view: View | None) -> PositionBias:
    """Measure a sample; without a view only its unshifted predictions."""
    if view is None:
        log.info("crop=%s: this network's view of a patch cannot be shifted", sample.crop.mode)
        cropped = sample.crop(sample.patches, sample.indices, 0)
        logodds, effects = predict_logits(sample.run.model, cropped, sample.batch_size), None
    else:
        probe = Probe(
            model=sample.run.model,
            patches=sample.patches,
            indices=sample.indices,
            labels=sample.labels,
            slides=sample.slides,
            view=view,
            batch_size=sample.batch_size,
            seed=config.seed,
            resamples=config.resamples,
        )
        logodds, effects = probe.reference, _measure_effects(config, sample, probe)
    return PositionBias(
        facts=_facts(config, sample, logodds),
        crop=tables.describe_crop(sample.crop, sample.run.config.crop.train),
        available=len(sample.source),
        ids=sample.ids,
        labels=sample.labels,
        slides=sample.slides,
        logodds=logodds,
        trained_crop=(sample.run.config.crop.train, sample.run.config.crop.size),
        evaluated_crop=sample.crop.mode,
        effects=effects,
    )


def _facts(config: BiasConfig, sample: Sample, logodds: Floats) -> RunFacts:
    figures = bootstrap_metrics(
        expit(logodds),
        sample.labels,
        sample.slides,
        metrics=("auroc",),
        resamples=config.resamples,
        seed=config.seed,
    )
    return RunFacts(
        run=str(sample.run.folder),
        network=sample.run.label,
        scale=sample.run.config.scale,
        weights=sample.run.model.describe_weights(),
        data=sample.data,
        split=config.split,
        patches=len(sample.indices),
        positive=int(sample.labels.sum()),
        classes=sample.classes,
        over=unit(sample.slides),
        auroc=figures["auroc"],
        resamples=config.resamples,
        seed=config.seed,
        versions=library_versions(),
        commit=code_commit(),
    )


def _measure_effects(config: BiasConfig, sample: Sample, probe: Probe) -> Effects:
    view, side = probe.view, config.centre
    offsets = view.draw_offsets(probe.indices, probe.seed)
    logodds = metrics.view_logodds(probe, offsets)
    swapped = swaps.swap_regions(probe, side)
    rule = None
    if sample.centre_labelled:
        shifted = logodds["shift"]
        rule = metrics.apply_labelling_rule(probe, sample.source, offsets, side, shifted)
    return Effects(
        view=view,
        side=side,
        offsets=offsets,
        logodds={"as_trained": probe.reference, **logodds},
        changes=metrics.view_changes(probe, logodds),
        centre_visible=float(view.contains_centre(side, offsets).mean()),
        labelling_rule=rule,
        swaps=swaps.measure_swaps(probe, swapped),
        shift_map=metrics.map_shifts(probe, config.map.patches, config.map.step, side),
        map_patches=min(config.map.patches, len(probe.labels)),
        examples=_examples(probe, offsets, swapped),
    )


def _examples(
    probe: Probe, offsets: Offsets, swapped: dict[swaps.Swap, Pixels]
) -> dict[str, Pixels]:
    """Return the views of a few patches, by the title of their column."""
    shifted = probe.view.crop_at(probe.patches[:EXAMPLES], offsets[:EXAMPLES])
    shown = {
        "as trained": probe.unshifted[:EXAMPLES],
        "shifted": shifted,
        "shifted and rotated": views.rotate_views(shifted),
    }
    for (region, given), patches in swapped.items():
        shown[tables.describe_swap(region, given)] = probe.view_of(patches[:EXAMPLES])
    return shown


def _beyond_random(result: PositionBias, results: Sequence[PositionBias]) -> Interval | None:
    """Return what the shift costs a run's AUROC beyond what it costs a run with random crops.

    None without a run that was trained on random crops of the same size.
    """
    mode, size = result.trained_crop
    controls = [
        one.effects.logodds
        for one in results
        if one.trained_crop == ("random", size) and one.effects is not None
    ]
    if mode == "random" or result.effects is None or not controls:
        return None
    own, control = result.effects.logodds, controls[0]
    difference = paired_difference(
        expit(np.stack([own["shift"], control["as_trained"]])),
        expit(np.stack([own["as_trained"], control["shift"]])),
        result.labels,
        result.slides,
        metrics=("auroc",),
        resamples=result.facts.resamples,
        seed=result.facts.seed,
    )["auroc"]
    # each side is the mean of two runs, so the difference is half of what is asked for
    doubled = {key: 2 * difference[key] for key in ("value", "low", "high")}
    return {**doubled, "p": difference["p"]}
