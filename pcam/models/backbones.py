"""Backbones by name: networks without their classifiers.

A registered backbone is one of two things. A function returns a network that maps normalised images
(B, 3, H, W) to features, (B, F) or a feature map (B, C, h, w); its arguments are ``model.kwargs``::

    @register_backbone("mine")
    def mine(width: int = 16) -> nn.Module: ...

A subclass of ``Backbone`` also says what is known of the network's weights. Every name that is not
registered is one of timm's.
"""

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.registry import register_backbone
from pcam.config.sections import ModelConfig
from pcam.errors import ConfigError, PcamError, WeightsError, describe_error, suggest
from pcam.models.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    RESERVED,
    TOKEN_POOLS,
    Backbone,
    Channels,
    Kwargs,
    Pool,
)
from pcam.models.hub import check_published_name
from pcam.models.hub_files import is_published_name
from pcam.models.layer_names import with_layers

if TYPE_CHECKING:
    from timm.models import PretrainedCfg
    from torch import Tensor, nn

GOOGLENET_WEIGHTS = "https://download.pytorch.org/models/googlenet-1378be20.pth"


class FunctionBackbone(Backbone):
    """A backbone that a plain function builds.

    Args:
        name: what a config calls it.
        function: takes ``model.kwargs``, returns a network.
        mean: of the normalised input.
        std: likewise.
        gradcam_layer: name of the layer for Grad-CAM; None for the last convolution.
    """

    def __init__(
        self,
        name: str,
        function: "Callable[..., nn.Module]",
        mean: Channels = IMAGENET_MEAN,
        std: Channels = IMAGENET_STD,
        gradcam_layer: str | None = None,
    ) -> None:
        super().__init__(name)
        self.function = function
        self.mean = mean
        self.std = std
        self.gradcam_layer = gradcam_layer

    def build(self, kwargs: Kwargs, pool: Pool, input_size: int | None) -> "nn.Module":
        """Return the function's network; a feature map is averaged if ``pool`` is avg."""
        from pcam.models.pooling import GlobalAverage, PooledBackbone

        network = self.function(**kwargs)
        if pool != "avg":
            return network
        return PooledBackbone(network, GlobalAverage())


@register_backbone("googlenet", config=ModelConfig)
class GoogLeNet(Backbone):
    """torchvision's GoogLeNet without its auxiliary heads; timm has none."""

    # The weights come from Inception preprocessing: torchvision's transform_input maps to 0.5
    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)
    classifier_prefixes = ("fc.", "aux1.", "aux2.")
    gradcam_layer = "inception5b"

    def build(self, kwargs: Kwargs, pool: Pool, input_size: int | None) -> "nn.Module":
        """Return the network with random weights."""
        from torch import nn
        from torchvision.models import googlenet

        network: nn.Module = googlenet(
            weights=None, aux_logits=False, init_weights=True, transform_input=False, **kwargs
        )
        network.dropout = nn.Identity()
        network.fc = nn.Identity()
        if pool == "flatten":
            network.avgpool = nn.Identity()
        return network

    def imagenet_weights(self, kwargs: Kwargs, input_size: int | None) -> "dict[str, Tensor]":
        """Return torchvision's weights."""
        from pcam.models.downloads import download_state

        return download_state(GOOGLENET_WEIGHTS)

    def weights_label(self) -> str:
        """Return the name of the weights."""
        return "torchvision IMAGENET1K_V1"


def check_timm_name(name: str) -> None:
    """Make sure that timm has a network of this name.

    Raises:
        ConfigError: it has none; the message suggests similar names.
    """
    import timm

    if not timm.is_model(name.partition(".")[0]):
        known = [*registry.backbones.names(), *timm.list_models()]
        raise ConfigError(f"model.name={name} is not a network{suggest(name, known)}")


def check_name(name: str) -> None:
    """Make sure that a name is that of a published network, or of one of timm's.

    Raises:
        ConfigError: it is neither.
        WeightsError: the folder that it names has no config.json.
    """
    if is_published_name(name):
        check_published_name(name)
    else:
        check_timm_name(name)


@registry.backbones.register_fallback(check=check_name, config=ModelConfig)
class TimmBackbone(Backbone):
    """Any of timm's networks.

    Raises:
        ConfigError: timm has no network, or no weights, of this name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        check_timm_name(name)
        self.mean = tuple(self._pretrained.mean)
        self.std = tuple(self._pretrained.std)
        if self._pretrained.fixed_input_size:
            self.fixed_size = self._pretrained.input_size[-1]
        classifiers = self._pretrained.classifier or ()
        if isinstance(classifiers, str):
            classifiers = (classifiers,)
        prefixes = [f"{classifier}." for classifier in classifiers]
        # VGG keeps its 4096-d layers in pre_logits
        self.classifier_prefixes = (*prefixes, "pre_logits.")

    @cached_property
    def _pretrained(self) -> "PretrainedCfg":
        import timm
        from timm.models import PretrainedCfg

        try:
            known = timm.get_pretrained_cfg(self.name)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"model.name={self.name}: {error}") from error
        return known or PretrainedCfg()  # registered without weights

    def build(self, kwargs: Kwargs, pool: Pool, input_size: int | None) -> "nn.Module":
        """Return the network with random weights."""
        import timm
        from torch import nn

        options = {**with_layers(kwargs), **self._size_option(input_size)}
        if pool != "avg":
            options["global_pool"] = ""
        elif options.get("global_pool") == "":
            raise ConfigError("model.kwargs.global_pool is empty; use model.head.pool=flatten")
        network: nn.Module = timm.create_model(
            self.name, pretrained=False, num_classes=0, **options
        )
        if hasattr(network, "pre_logits"):
            network.pre_logits = nn.Identity()
        return network

    def imagenet_weights(self, kwargs: Kwargs, input_size: int | None) -> "dict[str, Tensor]":
        """Return the network's default ImageNet weights."""
        from pcam.models.downloads import download_from_hub, download_state

        if self._pretrained.hf_hub_id:
            options = {**with_layers(kwargs), **self._size_option(input_size)}
            return download_from_hub(self.name, options)
        if self._pretrained.url:
            return download_state(self._pretrained.url)
        raise WeightsError(
            f"timm has no weights for {self.name}; "
            "give a file (model.weights=FILE) or model.weights=none"
        )

    def weights_label(self) -> str:
        """Return the name of the weights."""
        return f"timm {self.name}.{self._pretrained.tag}"

    def _size_option(self, input_size: int | None) -> dict[str, int]:
        if self.fixed_size is None or input_size is None:
            return {}
        return {"img_size": input_size}


def get_backbone(name: str) -> Backbone:
    """Return the backbone of a name.

    Raises:
        ConfigError: it is neither registered nor one of timm's.
    """
    entry = registry.backbones.get(name)
    if inspect.isclass(entry.target) and issubclass(entry.target, Backbone):
        return entry.target(name)
    return FunctionBackbone(name, entry.target, **entry.details)


def build_backbone(name: str, kwargs: Kwargs, pool: Pool, input_size: int | None) -> "nn.Module":
    """Return a network that ends in features, with random weights.

    Args:
        name: of a registered backbone, or of one of timm's networks.
        kwargs: passed to the network.
        pool: avg, the network's own pooling, returns (B, F); flatten returns (B, C·h·w); cls,
            patch_avg and cls_avg pool the tokens of networks that have some.
        input_size: pixels, for networks that must know it (vision transformers).

    Raises:
        ConfigError: the name or a key of ``kwargs`` is not known.
    """
    from torch import nn

    from pcam.models.pooling import PooledBackbone, token_pool

    reserved = sorted(RESERVED & set(kwargs))
    if reserved:
        raise ConfigError(
            f"model.kwargs.{reserved[0]} is set by pcam; it cannot be passed to the network"
        )
    backbone = get_backbone(name)
    try:
        network = backbone.build(kwargs, pool, input_size)
    except PcamError:
        raise
    except Exception as error:  # each network raises errors of its own
        raise ConfigError(
            f"model.name={name} does not take model.kwargs={dict(kwargs)} and "
            f"model.input_size={input_size}: {describe_error(error)}"
        ) from error
    if pool == "flatten":
        return PooledBackbone(network, nn.Flatten())
    if pool in TOKEN_POOLS:
        return PooledBackbone(network, token_pool(network, name, pool))
    return network
