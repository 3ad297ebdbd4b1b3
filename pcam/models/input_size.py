"""The size that patches are resized to where the config leaves it open.

Weights that were trained on ImageNet know objects of 224 pixels: patches of 96 pixels that are
enlarged to 192 are recognised better, for four times the work (``model.input_size=auto``; not with
``small``). Random weights know no size.
"""

from pcam.config.sections import ModelConfig
from pcam.models.backbones import get_backbone

RANDOM_WEIGHTS_SIZE = 96  # pixels; the side of PatchCamelyon's patches
LARGEST_SIZE = 224  # pixels; what most ImageNet weights were trained at


def initial_input_size(model: ModelConfig) -> int | None:
    """Return the size that a network is built for, before its weights are known.

    Args:
        model: the config's section.

    Returns:
        Pixels; None to leave patches as they are.
    """
    if not isinstance(model.input_size, str):
        return model.input_size
    return get_backbone(model.name).fixed_size or RANDOM_WEIGHTS_SIZE


def choose_input_size(model: ModelConfig, pretrained: bool, side: int) -> int | None:
    """Return the size that patches are resized to.

    A network that is built for one size keeps it, and so does a flattened map, whose length depends
    on the size.

    Args:
        model: the config's section.
        pretrained: whether the initial weights were trained before.
        side: of the patches or crops that the network is trained on, pixels.

    Returns:
        Pixels; None to leave patches as they are.
    """
    is_open = model.input_size == "auto" and model.head.pool == "avg"
    if not is_open or not pretrained or get_backbone(model.name).fixed_size is not None:
        return initial_input_size(model)
    return _enlarge(side)


def _enlarge(side: int) -> int:
    """Return the largest multiple of a side that is not larger than the weights' own size."""
    if side > LARGEST_SIZE:
        return LARGEST_SIZE
    return LARGEST_SIZE // side * side
