"""Maps of the same few patches as training goes: in the run's folder and on whichever dashboard is on."""

import io
from pathlib import Path

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from pcam.attribution import plots as pictures
from pcam.attribution.explainer import validate_methods
from pcam.attribution.options import Options
from pcam.attribution.output import PAGE, drawable
from pcam.attribution.patches import Split, caption
from pcam.attribution.run import explainer_of
from pcam.attribution.scorer import Scorer
from pcam.config.tables import check
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError
from pcam.runs.files import write_file
from pcam.runs.folder import Config, network_label

KEY = "attribution"


class AttributionMaps(Callback):
    """Draws maps before the first epoch, after every k-th and after the last.

    It works on a copy of the network and draws no random number of the training's, so the weights are the same with it and
    without.

    Args:
        folder: of the run; the pictures go to figures/attribution/.
        every: epochs between pictures.
        patches: how many of valid, half of each class as far as there are, by the seed.
        methods: of ``METHODS``; those that do not hold for the network are left out.
        data: name of the source.
        told: which network on which data, for the title.
        seed: of the draws.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        patches: int,
        methods: list[str],
        data: str,
        told: str,
        seed: int,
    ) -> None:
        self.folder, self.every, self.patches, self.methods = folder, every, patches, methods
        self.data, self.told, self.seed = data, told, seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what the first weights show; a run that goes on has it."""
        self.drawn = -1
        if trainer.current_epoch == 0:
            self._log(trainer, pl_module, 0)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what this epoch's weights show, those that are validated: a moving average where there is one."""
        done = trainer.current_epoch + 1
        if done % self.every == 0:
            self._log(trainer, pl_module, done)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what the last weights show."""
        if self.drawn != trainer.current_epoch:
            self._log(trainer, pl_module, trainer.current_epoch)

    def _log(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        from PIL import Image

        self.drawn = epoch
        with torch.inference_mode(False), torch.enable_grad():
            picture = self._picture(trainer, module, epoch)
        write_file(self.folder / "figures" / KEY / f"epoch-{epoch:03}.png", picture)
        image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(
                    KEY, [image], step=trainer.global_step, caption=[f"after epoch {epoch}"]
                )
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(KEY, image, trainer.global_step, dataformats="HWC")

    def _picture(self, trainer: Trainer, module: LightningModule, epoch: int) -> bytes:
        data = trainer.datamodule  # type: ignore[attr-defined]
        source = data.sources["valid"]
        order = draw(self.seed, Purpose.ATTRIBUTION, 8).permutation(len(source))
        labels = source.labels[order]
        turn = np.empty(len(order), np.int64)  # the k-th of its class
        for label in (0, 1):
            turn[labels == label] = np.arange((labels == label).sum())
        chosen = order[np.lexsort((-labels.astype(np.int64), turn))][: self.patches]
        chosen = chosen[np.argsort(-source.labels[chosen].astype(np.int64), kind="stable")]

        scorer, name = Scorer(module.network), module.hparams["network"]["name"]  # type: ignore[arg-type]
        split = Split(source, np.empty(0), data.crops["valid"], self.data)
        patches = split.read(chosen)
        x = scorer.normalised(patches.images)
        options = Options(max_steps=Options.steps, seed=self.seed)
        explainer = explainer_of(scorer, "auto", name, x, options, split)[1]
        refused = {
            method: why
            for method in self.methods
            if (why := explainer.refused(method, x)) is not None
        }
        held = [method for method in self.methods if method not in refused]
        told = "; ".join(f"{method}: {why}" for method, why in refused.items())
        if not held:
            raise ConfigError(f"attribution.methods: none holds for {name} ({told})")
        if told and epoch == 0:
            print(f"  left out of attribution.methods: {told}", flush=True)
        found = {method: explainer.maps(method, x, torch.from_numpy(chosen)) for method in held}
        with torch.no_grad():
            probability = torch.sigmoid(scorer(x)).cpu().numpy()
        captions = [
            caption(source, int(i), float(p)) for i, p in zip(chosen, probability, strict=True)
        ]
        when = "before training" if epoch == 0 else f"after epoch {epoch}"
        title = f"{self.told}, valid, {when}: colours of these maps alone"
        return pictures.sheet(title, patches.shown, drawable(found), captions, patches.squares)


def attribution_callbacks(config: Config, folder: Path) -> list[Callback]:
    """Return the callback that the config's ``attribution`` asks for, if it does.

    Raises:
        ConfigError: a setting is not known or out of range.
    """
    asked = config["attribution"]
    for key, kind in (("every", int | None), ("patches", int), ("methods", list)):
        check(asked[key], kind, f"attribution.{key}")
    if not asked["methods"]:
        raise ConfigError("attribution.methods is empty; attribution.every=null draws no maps")
    validate_methods(asked["methods"], "attribution.methods")
    for key in ("every", "patches"):
        if asked[key] is not None and asked[key] < 1:
            raise ConfigError(f"attribution.{key}={asked[key]}; it is a count from 1")
    if asked["patches"] > PAGE:
        raise ConfigError(
            f"attribution.patches={asked['patches']} is more than a sheet holds: at most {PAGE}"
        )
    if asked["every"] is None:
        return []
    data = config["data"]["name"]
    told = f"{network_label(config)} on {data}"
    return [
        AttributionMaps(
            folder, asked["every"], asked["patches"], asked["methods"], data, told, config["seed"]
        )
    ]
