"""A finished run in Python: predict, evaluate, explain. Nothing is printed or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pcam.api.arguments import (
    make_options,
    plain_numbers,
    validate_integer,
    validate_text,
    validate_tta,
)
from pcam.api.images import ArraySource, Images, any_file, refuse_black, to_patches
from pcam.config.classes import UNNAMED, Classes
from pcam.config.plugins import import_plugins
from pcam.config.schema import EvaluateConfig, TrainConfig
from pcam.config.validation import validate
from pcam.data.storage.images import MAX_SIDE
from pcam.evaluation.asked_split import report_other_size
from pcam.evaluation.evaluate import Evaluation, evaluate_run
from pcam.evaluation.inference import predict_probabilities
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_run

if TYPE_CHECKING:
    from pcam.data.base import Pixels

TestTimeAugmentation = Literal["none", "flips", "d4"]


@dataclass(frozen=True)
class Explanation:
    """Maps of what decides the network's output.

    Attributes:
        method: name of the attribution method.
        images: uint8 (N, H, W, 3), as the network sees them, cropped.
        maps: float32 (N, H, W), one value per pixel of ``images``.
        gap: float64 (N,), by how much the sum of a map misses the change of the log-odds, as a
            share of that change; NaN for methods that make no promise about the sum.
    """

    method: str
    images: NDArray[np.uint8]
    maps: NDArray[np.float32]
    gap: NDArray[np.float64]


class Run:
    """A finished training, opened for use. ``pcam.load_run`` makes one."""

    def __init__(self, saved: SavedRun) -> None:
        self._saved = saved

    @property
    def config(self) -> TrainConfig:
        """The config of the training."""
        return self._saved.config

    @property
    def classes(self) -> Classes:
        """The names of the classes 0 and 1; ``predict`` returns the probability of the second."""
        return self._saved.classes or UNNAMED

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._saved.folder

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, network={self._saved.label!r})"

    def predict(
        self, images: Images, tta: TestTimeAugmentation = "none", batch_size: int = 64
    ) -> NDArray[np.float64]:
        """Return the probability of the positive class for each image.

        The run's crop is applied, and the network resizes and normalises: pass patches as they are.

        Args:
            images: a uint8 array (N, H, W, 3); or one image or a list of images of one size, each a
                uint8 array (H, W, 3), a PIL image or the path of a file.
            tta: test-time augmentation: none, flips (4 views) or d4 (8 views), whose probabilities
                are averaged.
            batch_size: the number of images that the network sees at once.

        Returns:
            float64 (N,), from 0 to 1.

        Raises:
            ConfigError: tta is unknown, or the batch size is no integer of at least 1.
            DataError: the images have another dtype or shape, all are black, or a picture cannot be
                read.
        """
        validate_tta(tta)
        validate_integer("batch_size", batch_size, 1)
        return predict_probabilities(
            self._saved.model,
            ArraySource(self._patches(images)),
            crop_for_split(self.config, "test"),
            batch_size,
            num_workers=0,
            tta=tta,
        )

    def evaluate(
        self,
        split: Literal["train", "valid", "test"] = "test",
        *,
        tta: TestTimeAugmentation = "none",
        threshold: float | Literal["youden", "sensitivity"] = 0.5,
        sensitivity: float = 0.95,
        calibration: Literal["none", "temperature"] = "none",
        resamples: int = 2000,
        seed: int = 0,
        data: dict[str, object] | None = None,
    ) -> Evaluation:
        """Return the metrics of one split with 95 % intervals, equal to those of ``pcam.evaluate``.

        Args:
            split: train, valid or test.
            tta: test-time augmentation, as in ``predict``.
            threshold: a patch is predicted positive from this probability on; youden and
                sensitivity choose it on the run's valid split.
            sensitivity: the wanted sensitivity for threshold="sensitivity".
            calibration: temperature divides the log-odds by a number that is fitted on valid.
            resamples: number of bootstrap resamples, at least 100.
            seed: of the bootstrap.
            data: keys of the config's ``data``: overrides such as {"batch_size": 256}, or another
                source such as {"name": "pcam", "root": "/data/pcam"}; None for the run's own data.

        Returns:
            An ``Evaluation``: ``.metrics["auroc"]["value"]``, ``.probability``, ``.label``, ...

        Raises:
            ConfigError: an argument is out of range.
            DataError: the data is missing or has no labels.
        """
        validate_integer("seed", seed, 0)
        values = {
            "run": str(self.folder),
            "split": split,
            "data": data or {},
            "splits": {"name": "auto", "share": 0.2, "seed": int(seed)},
            "tta": tta,
            "threshold": threshold,
            "sensitivity": sensitivity,
            "calibration": calibration,
            "resamples": resamples,
            "seed": seed,
        }
        return evaluate_run(self._saved, validate(EvaluateConfig, plain_numbers(values)))

    def explain(
        self,
        images: Images,
        method: str = "integrated_gradients",
        *,
        layer: str = "auto",
        references: Images | None = None,
        **options: str | int | float,
    ) -> Explanation:
        """Return a map for each image: what raises and what lowers the log-odds of "positive".

        Args:
            images: as in ``predict``; the run's crop is applied.
            method: name of a registered attribution method, such as integrated_gradients, gradcam,
                saliency or occlusion.
            layer: the layer of Grad-CAM and HiResCAM: its name, "first", "last" or "auto".
            references: other images that gradient_shap compares with.
            **options: settings of the method: baseline, steps, max_steps, samples, noise, window,
                stride, batch, seed (see ``pcam.attribution.options.Options``).

        Returns:
            An ``Explanation``, whose ``.maps`` are float32 (N, H, W).

        Raises:
            ConfigError: the method, a setting or the layer is unknown, or the method does not apply
                to the network.
            DataError: the images have another dtype or shape, all are black, a picture cannot be
                read, or references have another size than images.
        """
        from pcam.attribution.explainer import explain

        settings = make_options(options)
        validate_text("method", method)
        validate_text("layer", layer)
        shown = self._crop(self._patches(images))
        others = None if references is None else self._crop(self._references(references))
        found = explain(self._saved.model, shown, method, settings, layer, others)
        return Explanation(
            method=method,
            images=shown,
            maps=found.values.numpy(),
            gap=found.gap.double().numpy(),
        )

    def _crop(self, patches: "Pixels") -> "Pixels":
        """Return patches as the network sees them: uint8 (N, h, w, 3)."""
        crop = crop_for_split(self.config, "test")
        return crop(patches, np.arange(len(patches)), 0)

    def _patches(self, images: Images) -> "Pixels":
        """Return images as one array; log a warning if the network was trained on another size."""
        patches = to_patches(images, self._max_side)
        if not any_file(images):
            refuse_black(patches)
        height, width = patches.shape[1:3]
        report_other_size(self._saved, (height, width))
        return patches

    def _references(self, images: Images) -> "Pixels":
        """Return other images as one array; black ones are a usual choice."""
        return to_patches(images, self._max_side, "references")

    @property
    def _max_side(self) -> int:
        """The pixels that a picture's sides may have: data.max_side of the run, if it has one."""
        return int(getattr(self.config.data, "max_side", MAX_SIDE))


def load_run(folder: str | Path, plugins: Sequence[str] = ()) -> Run:
    """Open a run folder.

    Args:
        folder: a run folder, as ``pcam.train`` writes it.
        plugins: modules that register what the run uses. A run that names plugins is opened only if
            they are named here or in PCAM_PLUGINS: nothing that a folder names is imported.

    Returns:
        The run, its network in eval mode on the GPU if there is one.

    Raises:
        RunError: the folder holds no run, or has no readable checkpoint.
        ConfigError: the run's config is damaged, or uses a plugin that is not named.
    """
    import_plugins(plugins)
    return Run(open_run(Path(folder).expanduser().absolute()))
