"""What a kind of data answers about itself: the base class of what ``data=NAME`` chooses from.

To add a source: a config class, a class that opens a split, `register_source`, and a YAML.

    class MyDataConfig(DataConfig):
        name: Literal["mine"] = "mine"
        root: str

    @register_source("mine", config=MyDataConfig)
    class MyData(SourceProvider[MyDataConfig]):
        def open(self, split: str) -> PatchSource:
            return MySource(f"{self.config.root}/{split}.h5")
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pcam.config import registry
from pcam.config.classes import UNNAMED, Classes, order_classes
from pcam.config.sections import DataConfig
from pcam.data.base import PatchSource
from pcam.errors import ConfigError

SPLITS = ("train", "valid", "test")
ConfigT = TypeVar("ConfigT", bound=DataConfig)
SubmissionRows = list[tuple[str, str]]


class SourceProvider(ABC, Generic[ConfigT]):
    """Opens the splits of one kind of data and answers what is special about it.

    A subclass has to define `open`; everything else has a default.

    Attributes:
        config: the section ``data``.
        patch_size: side of the patches in pixels; None where it is known only from the files.
        slides_hint: how a user gives slide names, for messages; empty where that is not possible.
        description: what a model card says of the data, sentences; empty where nothing is known.
    """

    patch_size: ClassVar[int | None] = None
    slides_hint: ClassVar[str] = ""
    description: ClassVar[str] = ""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def open(self, split: str) -> PatchSource:
        """Open one split, whole, as published.

        Raises:
            DataError: its files are missing or malformed.
        """

    @property
    def published_splits(self) -> tuple[str, ...]:
        """The labelled splits that the data comes with; "train" is always one."""
        return SPLITS

    @property
    def unlabelled_split(self) -> str | None:
        """Name of a split without labels, for pcam.predict; None where there is none."""
        return None

    @property
    def class_names(self) -> Classes | None:
        """The names of the two classes, the negative one first if the data says which that is.

        None where the patches have no labels.
        """
        return UNNAMED

    @property
    def classes(self) -> Classes:
        """The names of the labels 0 and 1.

        Raises:
            ConfigError: ``data.positive`` names another class than that of label 1.
        """
        names, positive = self.class_names or UNNAMED, self.config.positive
        if positive is not None:
            where = f"data={self.config.name}"
            if order_classes(names, positive, where) != names:
                raise ConfigError(
                    f"{where}: its positive class is {names[1]}, not {positive}; leave"
                    " data.positive out"
                )
        return names

    @property
    def centre_labelled(self) -> bool:
        """Whether the label is 1 if and only if the centre 32x32 contains tumour."""
        return False

    @property
    def has_unlabelled(self) -> bool:
        """Whether the files of the unlabelled split are there."""
        return False

    def opens_alone(self, split: str) -> bool:
        """Return whether a split can be opened where there is no train split."""
        return False

    def prepare(self, address: str | None = None) -> list[str]:
        """Get what is missing of the files, check it and convert it.

        Args:
            address: http or https address of a mirror; None for the official one.

        Returns:
            Notes for the user about files that were there already.

        Raises:
            DataError: files cannot be downloaded, or the disk is full.
        """
        return []

    def submission(
        self, ids: Sequence[str], probability: NDArray[np.float64], kind: str
    ) -> SubmissionRows | None:
        """Return the rows (id, label) of a submission.csv; None for data without a leaderboard.

        Args:
            ids: N patches of the unlabelled split.
            probability: (N,), of the positive class.
            kind: content of the label column: probability, or class (0 or 1, from 0.5).
        """
        return None


def source_provider(config: DataConfig) -> SourceProvider[DataConfig]:
    """Return the provider of the data that a config chooses by ``data.name``."""
    provider: SourceProvider[DataConfig] = registry.sources.get(config.name).target(config)
    return provider
