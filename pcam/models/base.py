"""What the code asks of a backbone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pcam.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

Pool = Literal["avg", "flatten", "cls", "patch_avg", "cls_avg"]
TOKEN_POOLS = ("cls", "patch_avg", "cls_avg")  # of networks of tokens
Kwargs = Mapping[str, object]
Channels = tuple[float, ...]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)

# Arguments of timm.create_model that are set here, or that would read files or addresses.
RESERVED = frozenset(
    {
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "checkpoint_path",
        "cache_dir",
        "scriptable",
        "exportable",
        "no_jit",
        "num_classes",
        "in_chans",
        "features_only",
        "img_size",
    }
)


class Backbone(ABC):
    """A network that ends in features, and what is known of its ImageNet weights.

    Args:
        name: what a config calls it.

    Attributes:
        mean: of the normalised input, per channel, from 0 to 1.
        std: likewise.
        classifier_prefixes: prefixes of the parameters that belong to the classifier.
        fixed_size: the input size, pixels, if the network must be built for one.
        gradcam_layer: name of the layer for Grad-CAM; None for the last convolution.
    """

    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    classifier_prefixes: tuple[str, ...] = ()
    fixed_size: int | None = None
    gradcam_layer: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def build(self, kwargs: Kwargs, pool: Pool, input_size: int | None) -> "nn.Module":
        """Return the network with random weights.

        Args:
            kwargs: ``model.kwargs``.
            pool: avg: return features (B, F); else return the last feature map or the tokens, not
                pooled.
            input_size: pixels, for networks that must know it.
        """

    def imagenet_weights(self, kwargs: Kwargs, input_size: int | None) -> "dict[str, Tensor]":
        """Return the state of the network with its ImageNet weights.

        Raises:
            WeightsError: there are none, or they cannot be downloaded.
        """
        raise WeightsError(
            f"{self.name} has no ImageNet weights; "
            "give a file (model.weights=FILE) or model.weights=none"
        )

    def weights_label(self) -> str:
        """Return the name of the ImageNet weights."""
        return f"{self.name} ImageNet weights"
