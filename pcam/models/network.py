"""The network: raw patches in, log-odds out."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pcam.config.tables import build
from pcam.errors import ConfigError, suggest
from pcam.models.backbones import build_backbone, pretrained_info

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


class Network(nn.Module):
    """Resize, scale and normalise, then backbone and head.

    It takes raw patches everywhere: in training, prediction, attribution and export.

    Args:
        name: of the backbone, see ``backbones``.
        kwargs: passed to the backbone.
        input_size: pixels; patches of another size are resized to it; None takes them as they come.
        interpolation: of the resize: nearest (whole factors repeat pixels), bilinear or bicubic (both antialiased).
        mean: of the input, one number or three, from 0 to 1; None: as the ImageNet weights were trained.
        std: likewise.
        head: settings of ``build_head``, and ``pool`` of ``build_backbone``.
        outputs: 2, whose difference is the log-odds (softmax's logit), or 1, the log-odds itself.

    Attributes:
        backbone: what the weights are for.
        head: the new layers.
        frozen: in training, the backbone is in eval mode and no gradient flows into it; its tensors stay bit-equal.
        keep_statistics: in training, the backbone's BatchNorm uses its running statistics and does not move them.

    Raises:
        ConfigError: a setting is not known.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        kwargs: Mapping[str, Any],
        input_size: int | None,
        interpolation: str,
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None,
        head: Mapping[str, Any],
        outputs: int,
    ) -> None:
        super().__init__()
        if interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"crop.interpolation={interpolation} is not known{suggest(interpolation, INTERPOLATIONS)}"
            )
        if input_size is not None and input_size < 1:
            raise ConfigError(
                f"model.input_size={input_size}; it is null or a count of pixels from 1"
            )
        known = pretrained_info(name)
        self.input_size, self.interpolation = input_size or known.fixed_size, interpolation
        self.register_buffer("mean", _channels(mean, known.mean, "mean"), persistent=False)
        self.register_buffer("std", _channels(std, known.std, "std"), persistent=False)
        self.backbone = build_backbone(name, kwargs, head["pool"], self.input_size)
        rest = {key: value for key, value in head.items() if key != "pool"}
        features = _features(self.backbone, self.input_size or 96)
        self.head = build(build_head, rest, "model.head", features=features, outputs=outputs)
        self.frozen = False
        self.keep_statistics = False
        # Convolutions run faster so, by a third on CPUs to half on GPUs, and the batch comes in this order anyway.
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """Return the log-odds of the positive class.

        Args:
            image: (B, 3, H, W), uint8, or float of the same range (0 to 255) where a gradient is wanted.

        Returns:
            float32 (B,).
        """
        return self.score(self.normalised(image))

    def normalised(self, image: Tensor) -> Tensor:
        """Return raw patches (B, 3, H, W) in the unit that the backbone was made for, float32, of their size."""
        return (image.float() / 255 - self.mean) / self.std

    def score(self, x: Tensor) -> Tensor:
        """Return the log-odds, float32 (B,), of normalised patches (B, 3, H, W); ``forward`` without its first step."""
        if self.input_size is not None and x.shape[-2:] != (self.input_size, self.input_size):
            smooth = self.interpolation != "nearest"
            x = F.interpolate(x, self.input_size, mode=self.interpolation, antialias=smooth)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(
            torch.is_grad_enabled() and not (self.frozen and self.training)
        ):
            x = self.backbone(x)
        out = self.head(x).float()
        logit: Tensor = out[:, 1] - out[:, 0] if out.shape[1] == 2 else out[:, 0]
        return logit

    def train(self, mode: bool = True) -> Self:
        """Set train or eval mode; a frozen backbone, and BatchNorm whose statistics are kept, stay in eval mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        elif self.keep_statistics:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def freeze(self, frozen: bool, keep_statistics: bool) -> None:
        """Freeze or release the backbone. No parameter's requires_grad changes, so optimizer and DDP need not know."""
        self.frozen, self.keep_statistics = frozen, keep_statistics
        self.train(self.training)


def build_head(
    features: int, outputs: int, hidden: int | None, dropout: float, batch_norm: bool
) -> nn.Sequential:
    """Return the new layers: (B, features) to (B, outputs).

    Args:
        features: width of what the backbone gives.
        outputs: 1 or 2.
        hidden: width of a layer between, with ReLU; None for none.
        dropout: share of the last layer's input that is dropped in training.
        batch_norm: normalise the hidden layer.
    """
    if not 0 <= dropout < 1:
        raise ConfigError(f"model.head.dropout={dropout} is not in [0, 1)")
    if hidden is not None and hidden < 1:
        raise ConfigError(f"model.head.hidden={hidden}; it is null or a count from 1")
    if batch_norm and hidden is None:
        raise ConfigError("model.head.batch_norm=true needs a hidden layer: model.head.hidden=512")
    layers: list[nn.Module] = []
    if hidden is not None:
        layers.append(nn.Linear(features, hidden))
        if batch_norm:
            layers.append(nn.BatchNorm1d(hidden))
        layers.append(nn.ReLU())
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(hidden or features, outputs))


def _channels(given: float | Sequence[float] | None, known: Sequence[float], key: str) -> Tensor:
    values = known if given is None else [given] * 3 if isinstance(given, int | float) else given
    if len(values) != 3 or (key == "std" and min(values) <= 0):
        raise ConfigError(
            f"model.{key}={given}: one number or three, {'above 0' if key == 'std' else 'from 0 to 1'}"
        )
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)


def _features(backbone: nn.Module, size: int) -> int:
    """Return the width of a backbone's features, by trying it."""
    try:
        with torch.no_grad():
            out = backbone.eval()(torch.zeros(1, 3, size, size))
    except RuntimeError as error:
        raise ConfigError(
            f"the network does not take {size} px (model.input_size): {error}"
        ) from error
    finally:
        backbone.train()
    return int(out.shape[1])
