"""The config of a report of many runs."""

from typing import Literal

from pcam.config.base import PlainText, Seed
from pcam.config.schema.command import CommandConfig, Folders, GallerySize, Resamples


class ReportConfig(CommandConfig):
    """The config of ``pcam.report``."""

    runs: Folders
    also: Folders
    split: Literal["valid", "test"]
    title: PlainText | None
    gallery: GallerySize = 0
    spreadsheets: bool = False
    resamples: Resamples
    seed: Seed
