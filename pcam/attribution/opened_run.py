"""A run that is opened to explain its patches."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from pcam.attribution.patches import Split, caption
from pcam.attribution.results import ExplainedPatches, Subject
from pcam.attribution.scorer import Scorer
from pcam.config.schema import AttributeConfig
from pcam.config.sections import DataConfig
from pcam.data.base import Indices, describe_source
from pcam.evaluation.asked_split import open_asked_split
from pcam.evaluation.inference import Logits, predict_source
from pcam.evaluation.saved_run import SavedRun, open_run
from pcam.stats.formatting import format_facts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedRun:
    """A run and the split of patches to explain.

    Attributes:
        saved: the run.
        subject: what is explained.
        scorer: the network as the methods need it.
        data: the config of the data.
        split: the patches; without log-odds until they are predicted.
    """

    saved: SavedRun
    subject: Subject
    scorer: Scorer
    data: DataConfig
    split: Split

    @property
    def backbone_name(self) -> str:
        """The name of the run's backbone."""
        return self.saved.config.model.name

    def normalised(self, indices: Indices) -> Tensor:
        """Return patches of the split, normalised, on the network's device."""
        return self.scorer.normalised(self.split.read(indices).images)


def open_explained_run(config: AttributeConfig) -> OpenedRun:
    """Open a run and the split of patches to explain."""
    saved = open_run(Path(config.run))
    opened = open_asked_split(saved, config, config.split)
    data, source, classes = opened.data, opened.source, opened.classes
    output = f"baseline {config.baseline}, precision {config.precision}"
    facts = [
        ("run", saved.describe()),
        (config.split, f"{data.name}: {describe_source(source, classes)}"),
        ("explained", f"log-odds of {classes[1]}; {output}"),
    ]
    log.info(format_facts(facts))
    return OpenedRun(
        saved=saved,
        subject=Subject(
            config.run, config.split, saved.label, data.name, config.precision, classes[1]
        ),
        scorer=Scorer(saved.model.network, config.precision),
        data=data,
        split=Split(source, np.empty(0), opened.crop, opened.provider.centre_labelled, classes),
    )


def predict_split(run: OpenedRun) -> Logits:
    """Return the log-odds of each patch of the split, in full precision."""
    return predict_source(
        run.saved.model,
        run.split.source,
        run.split.crop,
        run.data.batch_size,
        run.data.num_workers,
        worker_timeout=run.data.worker_timeout,
    )


def read_explained(split: Split, chosen: Indices) -> ExplainedPatches:
    """Return the chosen patches and what is known of them."""
    source = split.source
    captions = []
    for i in chosen:
        captions.append(caption(source, int(i), float(split.probability[i]), split.classes))
    return ExplainedPatches(
        patches=split.read(chosen),
        ids=[source.ids[i] for i in chosen],
        labels=None if source.labels is None else source.labels[chosen],
        probability=split.probability[chosen],
        captions=captions,
    )
