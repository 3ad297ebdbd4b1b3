"""The callback ``attribution`` by its name; torch is imported when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcam.config.registry import register_callback
from pcam.config.sections import AttributionConfig

if TYPE_CHECKING:
    from pathlib import Path

    from pcam.attribution.training_maps import AttributionMaps
    from pcam.config.schema import TrainConfig


@register_callback("attribution", config=AttributionConfig)
def build_attribution_maps(
    settings: AttributionConfig, config: TrainConfig, folder: Path
) -> AttributionMaps | None:
    """Return the callback that draws maps during a training; None if ``every`` is None."""
    if settings.every is None:
        return None
    from pcam.attribution.training_maps import AttributionMaps
    from pcam.data.provider import source_provider
    from pcam.runs.folder import network_label

    return AttributionMaps(
        folder=folder,
        config=settings,
        centre_labelled=source_provider(config.data).centre_labelled,
        title=f"{network_label(config)} on {config.data.name}",
        seed=config.seed,
    )
