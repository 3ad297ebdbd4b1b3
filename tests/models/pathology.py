"""Pathology's backbones as they are published."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """A backbone of the hub.

    Attributes:
        architecture: timm's name, as its config.json has it, or as it follows from that of
            transformers.
        millions: of parameters, as its paper or model card rounds them.
        width: of its features.
        arguments: of its config.json, beside those of our YAML.
        transformers: its config.json in the form of transformers, if it has no other.
    """

    architecture: str
    millions: float
    width: int
    arguments: dict[str, object] = field(default_factory=dict)
    transformers: dict[str, object] | None = None


def dinov2(width: int, blocks: int, heads: int, patch: int, **rest: object) -> dict[str, object]:
    """Return the config.json of transformers' Dinov2Model."""
    return {
        "model_type": "dinov2",
        "hidden_size": width,
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "patch_size": patch,
        "image_size": 224,
        **rest,
    }


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
    # DINOv2's ViT-g/14 and ViT-L: Oquab et al. 2023, table 17; the first is 1.1 billion there.
    "midnight": Published(
        "vit_giant_patch14_dinov2",
        1135,
        3072,
        transformers=dinov2(1536, 40, 24, 14, use_swiglu_ffn=True),
    ),
    "phikon_v2": Published(
        "vit_large_patch14_dinov2", 303, 1024, transformers=dinov2(1024, 24, 16, 16)
    ),
}
