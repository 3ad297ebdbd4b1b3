"""Configs of run folders that earlier versions wrote, in today's form."""

from collections.abc import Mapping
from typing import Any


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's config with what later versions added or renamed.

    Version 0.1.0 has no ``callbacks`` and no ``plugins``. It calls PatchCamelyon's labelling rule
    of synthetic patches ``law``.
    """
    result = dict(values)
    data = result.get("data")
    if isinstance(data, dict) and data.get("place") == "law":
        result["data"] = {**data, "place": "pcam"}
    return result
