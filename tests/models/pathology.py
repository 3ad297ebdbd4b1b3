"""Pathology's backbones as they are published."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """A backbone of the hub.

    Attributes:
        architecture: timm's name, as its config.json has it.
        millions: of parameters, as its paper or model card rounds them.
        width: of its features.
        arguments: of its config.json, beside those of our YAML.
    """

    architecture: str
    millions: float
    width: int
    arguments: dict[str, object] = field(default_factory=dict)


PUBLISHED = {
    "uni": Published("vit_large_patch16_224", 303, 1024),
    "uni2_h": Published("vit_giant_patch14_224", 681, 1536),
    "virchow2": Published(
        "vit_huge_patch14_224",
        631,
        2560,
        {"init_values": 1e-5, "mlp_ratio": 5.3375, "reg_tokens": 4},
    ),
    # Read in mahmoodlab/TRIDENT, trident/patch_encoder_models/load.py, which builds it so.
    "virchow": Published(
        "vit_huge_patch14_224", 631, 2560, {"init_values": 1e-5, "mlp_ratio": 5.3375}
    ),
    "h_optimus_0": Published("vit_giant_patch14_reg4_dinov2", 1135, 1536),
    "h_optimus_1": Published("vit_giant_patch14_reg4_dinov2", 1135, 1536),
    # The size of ViT-B/16: Dosovitskiy et al. 2021, table 1.
    "phikon": Published("vit_base_patch16_224", 86, 768),
    "gigapath": Published("vit_giant_patch14_dinov2", 1135, 1536, {"patch_size": 16}),
}
