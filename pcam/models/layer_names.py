"""Layers that ``model.kwargs`` names by text, where timm takes their classes."""

from pcam.errors import ConfigError, suggest
from pcam.models.base import Kwargs

MLP_LAYERS = ("Mlp", "GatedMlp", "GluMlp", "SwiGLU", "SwiGLUPacked")  # of timm.layers


def with_layers(kwargs: Kwargs) -> dict[str, object]:
    """Return arguments of a network of timm's with the class that ``mlp_layer`` names.

    Raises:
        ConfigError: it is not one of ``MLP_LAYERS``.
    """
    options = dict(kwargs)
    name = options.get("mlp_layer")
    if name is None:
        return options
    if name not in MLP_LAYERS:
        similar = suggest(str(name), MLP_LAYERS)
        raise ConfigError(f"model.kwargs.mlp_layer={name} is not available{similar}")
    import timm.layers

    options["mlp_layer"] = getattr(timm.layers, str(name))
    return options
