"""A trained network as one module that takes raw patches and gives probabilities."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pcam.data.crop import Crop, centre_square
from pcam.errors import ConfigError
from pcam.models.network import Network

Size = tuple[int, int]  # height and width, pixels
Output = Literal["probability", "log_odds"]


class ExportedClassifier(nn.Module):
    """Crop, scale, normalise, resize, backbone, head and temperature.

    Args:
        network: in eval mode, on the CPU.
        size: of the whole patches.
        crop: the part of each patch that the network sees.
        temperature: the number that divides the log-odds; 1 leaves them unchanged.
        returns: probability, or the log-odds.

    Raises:
        ConfigError: the crop is drawn at random, so it is not the same each time.
    """

    def __init__(
        self,
        network: Network,
        size: Size,
        crop: Crop,
        temperature: float,
        returns: Output = "probability",
    ) -> None:
        super().__init__()
        if crop.mode == "random":
            raise ConfigError("crop.test=random: a network with random crops cannot be exported")
        self.crop = _build_crop(crop, size)
        self.network = network
        self.resize = _build_resize(network, crop.size_after(size))
        self.temperature = temperature
        self.returns = returns

    def forward(self, patches: Tensor) -> Tensor:
        """Return the probability of the positive class, or its log-odds.

        Args:
            patches: uint8 (N, 3, H, W).

        Returns:
            float32 (N,).
        """
        images = self.crop(patches.float())
        inputs = self.resize(self.network.normalised(images))
        features = self.network.backbone(inputs)
        log_odds = self.network.classify(features) / self.temperature
        return log_odds if self.returns == "log_odds" else _probability(log_odds)


def _probability(log_odds: Tensor) -> Tensor:
    """Return the logistic function, by operations that every library computes in full precision.

    onnxruntime's own logistic function is 0 below log-odds of about -18.
    """
    return 1 / (1 + torch.exp(-log_odds))


class CentreCrop(nn.Module):
    """Cut a square out of the middle of patches.

    Args:
        side: of the square, pixels.
        size: of the patches.
    """

    def __init__(self, side: int, size: Size) -> None:
        super().__init__()
        self.side = side
        self.top, self.left = (size[0] - side) // 2, (size[1] - side) // 2

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 3, side, side)."""
        below, right = self.top + self.side, self.left + self.side
        return images[:, :, self.top : below, self.left : right]


class RingCrop(nn.Module):
    """Fill the centre square of patches with the mean colour of the rest.

    Args:
        side: of the square, pixels.
        size: of the patches.
    """

    def __init__(self, side: int, size: Size) -> None:
        super().__init__()
        rest = torch.from_numpy(~centre_square(side, *size)).float()
        self.register_buffer("rest", rest, persistent=False)

    rest: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 3, H, W)."""
        total = (images * self.rest).sum((2, 3), keepdim=True)
        colour = torch.round(total / self.rest.sum())
        return images * self.rest + colour * (1 - self.rest)


class Resize(nn.Module):
    """Resize images by two matrix products, one per axis.

    A resize is linear, and each format has matrix products, which not all have for antialiasing.

    Args:
        size: of the images.
        target: side of the result, pixels.
        interpolation: nearest, bilinear or bicubic, as ``Network`` resizes.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, size: Size, target: int, interpolation: str) -> None:
        super().__init__()
        rows = _resize_matrix(size[0], target, interpolation).T.contiguous()
        columns = _resize_matrix(size[1], target, interpolation)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 3, target, target)."""
        return self.rows @ images @ self.columns


def _resize_matrix(length: int, target: int, interpolation: str) -> Tensor:
    """Return the matrix (length, target) that resizes rows of pixels."""
    identity = torch.eye(length)[None, None]  # each row has one pixel that is 1
    smooth = interpolation != "nearest"
    resized = F.interpolate(identity, (length, target), mode=interpolation, antialias=smooth)
    return resized[0, 0]


def _build_crop(crop: Crop, size: Size) -> nn.Module:
    """Return a crop as a module.

    Args:
        crop: not a random one.
        size: of the whole patches.
    """
    if crop.mode == "none" or crop.size is None:
        return nn.Identity()
    if crop.mode == "ring":
        return RingCrop(crop.size, size)
    return CentreCrop(crop.size, size)


def _build_resize(network: Network, size: Size) -> nn.Module:
    """Return the resize to a network's input.

    Args:
        network: its ``input_size`` may be None.
        size: of the cropped patches.
    """
    target = network.input_size
    if target is None or size == (target, target):
        return nn.Identity()
    return Resize(size, target, network.interpolation)
