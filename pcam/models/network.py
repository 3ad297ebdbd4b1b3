"""The network: raw patches in, log-odds out."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from pcam.config.sections import HeadConfig
from pcam.errors import ConfigError, describe_error
from pcam.models.backbones import build_backbone, get_backbone
from pcam.models.base import Kwargs
from pcam.models.partial import fixed_modules

PROBE_SIZE = 96  # pixels; to find the width of the features of a network that takes any size

Channel = float | Sequence[float] | None


class Network(nn.Module):
    """Resize, scale and normalise, then backbone and head.

    It takes raw patches everywhere: in training, prediction, attribution and export.

    Args:
        name: of the backbone, see ``backbones``.
        kwargs: passed to the backbone.
        input_size: pixels; patches of another size are resized to it; None leaves them as they are.
        interpolation: of the resize: nearest (whole factors repeat pixels), bilinear or bicubic
            (both antialiased).
        mean: of the input, one number or three, from 0 to 1; None for that of the ImageNet weights.
        std: likewise.
        head: the layers after the backbone.
        outputs: 2, whose difference is the log-odds (softmax's logit), or 1, the log-odds itself.

    Attributes:
        backbone: what the weights are for.
        head: the new layers.
        frozen: in training, the backbone is in eval mode and gets no gradient; its tensors stay
            equal to the bit.
        keep_statistics: in training, the backbone's BatchNorm uses its running statistics and does
            not update them.
        trains_part: a part of the backbone is fixed: what gets no gradient is in eval mode.

    Raises:
        ConfigError: the backbone does not take its settings.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        kwargs: Kwargs,
        input_size: int | None,
        interpolation: str,
        mean: Channel,
        std: Channel,
        head: HeadConfig,
        outputs: int,
    ) -> None:
        super().__init__()
        head = HeadConfig.model_validate(head)
        known = get_backbone(name)
        self.input_size = input_size or known.fixed_size
        self.interpolation = interpolation
        self.register_buffer("mean", _per_channel(mean, known.mean), persistent=False)
        self.register_buffer("std", _per_channel(std, known.std), persistent=False)
        self.backbone = build_backbone(name, kwargs, head.pool, self.input_size)
        size = self.input_size or PROBE_SIZE
        self.features = count_features(self.backbone, size, size)
        self.head = build_head(self.features, outputs, head.hidden, head.dropout, head.batch_norm)
        self.frozen = False
        self.keep_statistics = False
        self.trains_part = False
        # Convolutions are faster so, by a third on CPUs to half on GPUs; batches come in this order
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, backbone: nn.Module | None = None) -> Tensor:
        """Return the log-odds of the positive class.

        Args:
            image: (B, 3, H, W), uint8, or float of the same range (0 to 255) for gradients.
            backbone: another form of the backbone, which computes the same; None for itself.

        Returns:
            float32 (B,).
        """
        return self.classify(self.extract(self.normalised(image), backbone))

    def normalised(self, image: Tensor) -> Tensor:
        """Return raw patches (B, 3, H, W) normalised for the backbone, float32, of their size."""
        return (image.float() / 255 - self.mean) / self.std

    def score(self, x: Tensor) -> Tensor:
        """Return the log-odds of normalised patches: ``forward`` without its first step.

        Args:
            x: (B, 3, H, W).

        Returns:
            float32 (B,).
        """
        return self.classify(self.extract(x))

    def extract(self, x: Tensor, backbone: nn.Module | None = None) -> Tensor:
        """Return the features (B, F) of normalised patches, the head's input.

        Args:
            x: (B, 3, H, W).
            backbone: another form of the backbone, which computes the same; None for itself.
        """
        x = self._resize(x)
        height, width = x.shape[-2:]
        x = x.contiguous(memory_format=torch.channels_last)
        with_gradient = torch.is_grad_enabled() and not (self.frozen and self.training)
        with torch.set_grad_enabled(with_gradient):
            x = self.backbone(x) if backbone is None else backbone(x)
        self._ensure_features_fit(x, height, width)
        return x

    def classify(self, features: Tensor) -> Tensor:
        """Return the log-odds (B,), float32, of features (B, F) of ``extract``."""
        out = self._apply_head(features)
        if out.shape[1] == 2:
            return out[:, 1] - out[:, 0]
        return out[:, 0]

    def _ensure_features_fit(self, features: Tensor, height: int, width: int) -> None:
        """Make sure that the head takes the features of patches of a size.

        Raises:
            ConfigError: it does not: they are flattened, and of another size than the probe.
        """
        linear = next((m for m in self.head.modules() if isinstance(m, nn.Linear)), None)
        if linear is None or features.shape[1] == linear.in_features:
            return
        raise ConfigError(
            f"the network is built for {PROBE_SIZE} px, and patches have {width}x{height} px: "
            f"train with model.input_size={PROBE_SIZE}, or with model.head.pool=avg"
        )

    def _apply_head(self, features: Tensor) -> Tensor:
        """Return the outputs (B, 1 or 2), float32, of features (B, F).

        The head is in full precision also where the backbone is not: bfloat16 has 256 numbers
        between 1 and 2, and patches with equal scores cannot be ranked.
        """
        kind = features.device.type
        if not torch.is_autocast_enabled(kind):
            return self.head(features).float()  # type: ignore[no-any-return]
        with torch.autocast(kind, enabled=False):
            return self.head(features.float())  # type: ignore[no-any-return]

    def _resize(self, x: Tensor) -> Tensor:
        size = self.input_size
        if size is None or x.shape[-2:] == (size, size):
            return x
        smooth = self.interpolation != "nearest"
        return F.interpolate(x, size, mode=self.interpolation, antialias=smooth)

    def train(self, mode: bool = True) -> Self:
        """Set train or eval mode; what is frozen stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        elif self.keep_statistics:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        if self.trains_part:
            for module in fixed_modules(self.backbone):
                module.eval()
        return self

    def freeze(self, frozen: bool, keep_statistics: bool) -> None:
        """Freeze or unfreeze the backbone.

        No parameter's requires_grad changes, so optimizer and DDP are not affected.
        """
        self.frozen = frozen
        self.keep_statistics = keep_statistics
        self.train(self.training)

    def count_parameters(self) -> dict[str, int]:
        """Return how many parameters backbone and head have."""
        counts = {}
        for part in ("backbone", "head"):
            parameters = self.get_submodule(part).parameters()
            counts[part] = sum(parameter.numel() for parameter in parameters)
        return counts


def build_head(
    features: int, outputs: int, hidden: int | None, dropout: float, batch_norm: bool
) -> nn.Sequential:
    """Return the new layers: (B, features) to (B, outputs).

    Args:
        features: width of the backbone's output.
        outputs: 1 or 2.
        hidden: width of a layer between, with ReLU; None for none.
        dropout: share of the last layer's input that is dropped in training.
        batch_norm: normalise the hidden layer.
    """
    layers: list[nn.Module] = []
    if hidden is not None:
        layers.append(nn.Linear(features, hidden))
        if batch_norm:
            layers.append(nn.BatchNorm1d(hidden))
        layers.append(nn.ReLU())
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(hidden or features, outputs))
    return nn.Sequential(*layers)


def count_features(backbone: nn.Module, height: int, width: int) -> int:
    """Return the width of a backbone's features for patches of a size, by trying one.

    Raises:
        ConfigError: the backbone does not take this size.
    """
    try:
        with torch.no_grad():
            device = next((one.device for one in backbone.parameters()), None)
            features = backbone.eval()(torch.zeros(1, 3, height, width, device=device))
    except Exception as error:  # each network raises errors of its own
        raise ConfigError(
            f"the network does not take {width}x{height} px (model.input_size): "
            f"{describe_error(error)}"
        ) from error
    finally:
        backbone.train()
    return int(features.shape[1])


def _per_channel(given: Channel, known: Sequence[float]) -> Tensor:
    values: Sequence[float] = known
    if isinstance(given, int | float):
        values = [given] * 3
    elif given is not None:
        values = given
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
