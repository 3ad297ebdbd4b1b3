"""Maps of the same few patches during a training, as a Lightning callback."""

import io
import logging
from pathlib import Path

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from numpy.typing import NDArray
from torch import Tensor

from pcam.attribution.explainer import Explainer, build_explainer
from pcam.attribution.options import Options
from pcam.attribution.output import drawn_maps
from pcam.attribution.patches import Split, caption, draw_references
from pcam.attribution.plots import plot_sheet
from pcam.attribution.randomness import draw
from pcam.attribution.scorer import Scorer
from pcam.config.sections import AttributionConfig
from pcam.data.base import Indices, PatchSource
from pcam.data.randomness import AttributionStream
from pcam.errors import ConfigError
from pcam.runs.figures import write_figure
from pcam.training.guarded_logger import GuardedLogger

log = logging.getLogger(__name__)

KEY = "attribution"


class AttributionMaps(Callback):
    """Draws maps before the first epoch, after every k-th epoch and after the last.

    It works on a copy of the network and does not use the training's random numbers, so the
    weights are the same with it and without it.

    Args:
        folder: the run folder; the figures go to figures/attribution/.
        config: epochs between figures; number of patches of valid, half of each class if
            possible; and methods. Methods that do not apply to the network are left out.
        centre_labelled: the label depends on the centre of a patch alone.
        title: network and data, for the figures.
        seed: of the draws.
    """

    def __init__(
        self,
        folder: Path,
        config: AttributionConfig,
        centre_labelled: bool,
        title: str,
        seed: int,
    ) -> None:
        self.folder = folder
        self.config = config
        self.centre_labelled = centre_labelled
        self.title = title
        self.seed = seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the maps of the initial weights; a resumed run has them already."""
        if trainer.global_step == 0:
            self._draw_and_log(trainer, pl_module, 0)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the maps of the weights that are validated: a moving average if there is one."""
        every = self.config.every
        epoch = trainer.current_epoch + 1
        if every is not None and epoch % every == 0:
            self._draw_and_log(trainer, pl_module, epoch)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the maps of the last weights, unless there are any."""
        if not self._path(trainer.current_epoch).is_file():
            self._draw_and_log(trainer, pl_module, trainer.current_epoch)

    def _draw_and_log(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        """Write a figure and send it to the loggers."""
        if not trainer.is_global_zero:
            return
        with torch.inference_mode(False), torch.enable_grad():
            picture = self._draw(trainer, module, epoch)
        write_figure(self._path(epoch), picture)
        text = f"after epoch {epoch}"
        for logger in trainer.loggers:
            assert isinstance(logger, GuardedLogger)
            logger.call(log_picture, logger.wrapped, picture, trainer.global_step, text)

    def _path(self, epoch: int) -> Path:
        return self.folder / "figures" / KEY / f"epoch-{epoch:03}.png"

    def _draw(self, trainer: Trainer, module: LightningModule, epoch: int) -> bytes:
        """Return the figure of one epoch, a PNG."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        source = data.sources["valid"]
        split = Split(source, np.empty(0), data.crops["valid"], self.centre_labelled, data.classes)
        chosen = choose_balanced(source, self.config.patches, self.seed)
        patches = split.read(chosen)
        scorer = Scorer(module.network)  # type: ignore[arg-type]
        network_name = str(module.hparams["network"]["name"])
        x = scorer.normalised(patches.images)

        options = Options(max_steps=Options.steps, seed=self.seed)
        references = split.read(draw_references(len(source), self.seed)).images
        _, explainer = build_explainer(
            scorer, "auto", network_name, x, options, scorer.normalised(references)
        )
        methods = self._applicable_methods(explainer, x, network_name, epoch)
        index = torch.from_numpy(chosen)
        maps = {method: explainer.maps(method, x, index) for method in methods}
        when = "before training" if epoch == 0 else f"after epoch {epoch}"
        return plot_sheet(
            f"{self.title}, valid, {when} (colour scales of this figure only)",
            patches.pictures,
            drawn_maps(maps),
            _captions(split, chosen, scorer, x),
            patches.squares,
        )

    def _applicable_methods(
        self, explainer: Explainer, x: Tensor, network_name: str, epoch: int
    ) -> list[str]:
        """Return the methods that apply to the network.

        Raises:
            ConfigError: none does.
        """
        methods = []
        reasons = []
        for method in self.config.methods:
            reason = explainer.reason_not_applicable(method, x)
            if reason is None:
                methods.append(method)
            else:
                reasons.append(f"{method}: {reason}")
        text = "; ".join(reasons)
        if not methods:
            raise ConfigError(f"attribution.methods: none applies to {network_name} ({text})")
        if reasons and epoch == 0:
            log.info("  left out of attribution.methods: %s", text)
        return methods


def choose_balanced(source: PatchSource, count: int, seed: int) -> Indices:
    """Return patches drawn by the seed, positive ones first, half of each class if possible."""
    labels = source.labels
    assert labels is not None  # a training's valid split has labels
    order = draw(seed, AttributionStream.CALLBACK).permutation(len(source))
    shuffled = labels[order].astype(np.int64)
    rank_in_class = np.empty(len(order), np.int64)
    for label in (0, 1):
        rank_in_class[shuffled == label] = np.arange((shuffled == label).sum())
    alternating = np.lexsort((-shuffled, rank_in_class))
    chosen = order[alternating][:count]
    positive_first = np.argsort(-labels[chosen].astype(np.int64), kind="stable")
    result: Indices = chosen[positive_first]
    return result


def _captions(split: Split, chosen: Indices, scorer: Scorer, x: Tensor) -> list[str]:
    """Return the captions of patches with their current probabilities.

    Args:
        split: of the patches.
        chosen: N indices.
        scorer: the network.
        x: the patches, normalised, (N, 3, H, W).
    """
    with torch.no_grad():
        probability = torch.sigmoid(scorer(x)).cpu().numpy()
    pairs = zip(chosen, probability, strict=True)
    return [caption(split.source, int(i), float(value), split.classes) for i, value in pairs]


def log_picture(logger: Logger, picture: bytes, step: int, text: str) -> None:
    """Send a PNG to a logger that shows images.

    Args:
        logger: of any kind; only W&B and TensorBoard show images, others are left out.
        picture: a PNG.
        step: of the training, from 0.
        text: shown with it, where the logger shows texts.
    """
    if isinstance(logger, WandbLogger):
        logger.log_image(KEY, [_decode(picture)], step=step, caption=[text])
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(KEY, _decode(picture), step, dataformats="HWC")


def _decode(picture: bytes) -> NDArray[np.uint8]:
    """Return a PNG's pixels, (H, W, 3)."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
