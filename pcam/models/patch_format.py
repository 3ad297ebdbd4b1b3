"""What a classifier's input and output are: size and crop of its patches, names of its classes."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from pcam.config.classes import Classes
from pcam.config.sections import CropMode
from pcam.data.crop import Crop
from pcam.errors import DataError
from pcam.runs.checkpoints import CheckpointState

KEY = "patches"  # of a checkpoint


@dataclass(frozen=True)
class PatchFormat:
    """The patches that a classifier was trained on, as its checkpoints store it.

    Attributes:
        classes: the names of the labels 0 and 1; the output is about the second.
        height: of the whole patches, pixels.
        width: of the whole patches, pixels.
        crop: how patches are cropped to be tested.
        crop_size: side of the crop, pixels; None for the whole patch.
        seed: of random crops.
    """

    classes: Classes
    height: int
    width: int
    crop: CropMode
    crop_size: int | None
    seed: int

    @classmethod
    def read(cls, checkpoint: CheckpointState) -> "PatchFormat | None":
        """Return what a checkpoint says; None if it is of a version that did not say it."""
        values = checkpoint.get(KEY)
        if not values:
            return None
        negative, positive = values["classes"]
        return cls(**{**values, "classes": (str(negative), str(positive))})

    def plain(self) -> CheckpointState:
        """Return plain values for a checkpoint."""
        return {**asdict(self), "classes": list(self.classes)}

    def prepare(self, image: Tensor) -> Tensor:
        """Return patches as the network is tested on them.

        Whole patches are cropped; patches of the crop's size are cropped already.

        Args:
            image: (B, 3, H, W), uint8, of the trained height and width or of the crop's size.

        Raises:
            DataError: another size.
        """
        size = tuple(image.shape[2:])
        crop = Crop(self.crop, self.crop_size, self.seed)
        if crop.cuts and size == (self.crop_size, self.crop_size):
            return image
        if size != (self.height, self.width):
            raise DataError(
                f"the images are {size[1]}x{size[0]} pixels, the network was trained on"
                f" {self.width}x{self.height}; .network takes patches of any size as they are"
            )
        if self.crop == "none":
            return image
        patches = image.permute(0, 2, 3, 1).cpu().numpy()
        cropped = crop(patches, np.arange(len(patches)), 0)
        prepared = torch.from_numpy(np.ascontiguousarray(cropped)).permute(0, 3, 1, 2)
        return prepared.to(image.device)


def check_images(image: Tensor) -> None:
    """Make sure that a tensor holds images as they are read from files.

    Raises:
        DataError: it is not uint8 (B, 3, H, W).
    """
    if image.dtype != torch.uint8:
        name = str(image.dtype).removeprefix("torch.")
        raise DataError(
            f"the images have the dtype {name}, not uint8; pass pixels from 0 to 255 without"
            " scaling; for gradients call .network, which takes floats from 0 to 255"
        )
    if image.ndim != 4 or image.shape[1] != 3:
        raise DataError(f"the images have the shape {tuple(image.shape)}, not (B, 3, H, W)")
