"""The synthetic source as it is chosen by ``data=synthetic``."""

from typing import Annotated, Literal

from pydantic import Field

from pcam.config.base import NonNegativeFloat, PositiveInt
from pcam.config.classes import TUMOUR
from pcam.config.registry import register_source
from pcam.config.sections import DataConfig
from pcam.data.base import PatchSource
from pcam.data.provider import SourceProvider

PatchCount = Annotated[int, Field(ge=0, le=10_000_000)]


class SyntheticDataConfig(DataConfig):
    """Synthetic H&E-like patches with slides and tumour masks.

    Attributes:
        train: patches of the train split.
        valid: patches of the valid split.
        test: patches of the test split.
        slides: per split; no slide is in two splits.
        stain: how much slides differ in stain; 0 for no difference.
        prevalence: how much slides differ in their share of positives.
        place: where the tumour of a positive patch is: pcam, by PatchCamelyon's labelling rule;
            centre, at the exact middle; anywhere.
        data_seed: of the patches. It is not the training's seed, so that seeds train on the same
            patches.
    """

    name: Literal["synthetic"] = "synthetic"
    train: PatchCount
    valid: PatchCount
    test: PatchCount
    slides: Annotated[PositiveInt, Field(le=10_000_000)]
    stain: NonNegativeFloat
    prevalence: Annotated[float, Field(ge=0, le=1)] = 0.0
    place: Literal["pcam", "center", "anywhere"] = "pcam"
    data_seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]


@register_source("synthetic", config=SyntheticDataConfig)
class SyntheticData(SourceProvider[SyntheticDataConfig]):
    """Synthetic patches."""

    patch_size = 96
    class_names = TUMOUR
    description = (
        "A program draws these patches. A network that is trained on them knows nothing of real"
        " tissue, and must not be used on it."
    )

    def open(self, split: str) -> PatchSource:
        """Generate one split."""
        from pcam.data.sources.synthetic.source import SyntheticSource

        config = self.config
        sizes = {"train": config.train, "valid": config.valid, "test": config.test}
        return SyntheticSource(
            split,
            sizes[split],
            config.data_seed,
            config.slides,
            config.stain,
            config.prevalence,
            place=config.place,
        )

    @property
    def centre_labelled(self) -> bool:
        """Whether the label depends on the centre 32x32 only; not with ``place=anywhere``."""
        return self.config.place != "anywhere"
