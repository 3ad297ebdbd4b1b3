"""Configs of run folders that earlier versions wrote, in today's form."""

from collections.abc import Mapping
from typing import Any

PLACES = {"law": "pcam", "centre": "center"}  # data.place of version 0.1.0, and today's


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's config with what later versions added or renamed.

    Version 0.1.0 has no ``callbacks`` and no ``plugins``, and other names for where the tumour of
    synthetic patches is.
    """
    result = dict(values)
    data = result.get("data")
    place = data.get("place") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(place, str) and place in PLACES:
        result["data"] = {**data, "place": PLACES[place]}
    return result
