"""The config.json of a DINOv2 in the form of transformers, in timm's terms."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field

TIMM = {384: "vit_small", 768: "vit_base", 1024: "vit_large", 1536: "vit_giant"}  # by width
USUAL_SIDE = 224  # pixels; the networks take any size

Size = Annotated[int, Field(gt=0, le=10_000)]
ModelType = Literal["dinov2", "dinov2_with_registers"]
MODEL_TYPES: tuple[str, ...] = get_args(ModelType)


class Dinov2Config(BaseModel):
    """The content of a config.json of transformers' Dinov2Model or Dinov2WithRegistersModel.

    Attributes:
        model_type: which of the two.
        hidden_size: width of the features.
        num_hidden_layers: number of blocks.
        num_attention_heads: of each block.
        mlp_ratio: width of the hidden layer, in ``hidden_size``; before two thirds of it are taken
            with ``use_swiglu_ffn``.
        use_swiglu_ffn: whether the hidden layer is gated.
        patch_size: side of a patch, pixels.
        image_size: side of the input that the position embeddings are for, pixels.
        num_channels: of the input.
        num_register_tokens: of Dinov2WithRegistersModel.
        layerscale_value: initial value of the layer scales.
        qkv_bias: whether query, key and value have biases.
        hidden_act: activation.
        layer_norm_eps: of the layer norms; timm's networks have this one.
    """

    model_type: ModelType
    hidden_size: Size = 768
    num_hidden_layers: Annotated[int, Field(gt=0, le=200)] = 12
    num_attention_heads: Size = 12
    mlp_ratio: Annotated[float, Field(gt=0, le=100)] = 4
    use_swiglu_ffn: bool = False
    patch_size: Size = 14
    image_size: Size = 224
    num_channels: Literal[3] = 3
    num_register_tokens: Annotated[int, Field(ge=0, le=100)] = 4
    layerscale_value: Annotated[float, Field(gt=0)] = 1.0
    qkv_bias: bool = True
    hidden_act: Literal["gelu"] = "gelu"
    layer_norm_eps: Annotated[float, Field(ge=1e-6, le=1e-6)] = 1e-6

    @property
    def architecture(self) -> str:
        """The name that timm has for a network of this width."""
        width = TIMM.get(self.hidden_size, "vit_base")
        registers = "" if self.model_type == "dinov2" else "reg4_"
        return f"{width}_patch14_{registers}dinov2"

    @property
    def arguments(self) -> dict[str, object]:
        """What the network is built with."""
        arguments: dict[str, object] = {
            "img_size": min(self.image_size, USUAL_SIDE),
            "patch_size": self.patch_size,
            "embed_dim": self.hidden_size,
            "depth": self.num_hidden_layers,
            "num_heads": self.num_attention_heads,
            "mlp_ratio": self.mlp_ratio,
            "mlp_layer": "Mlp",
            "act_layer": "gelu",
            "init_values": self.layerscale_value,
            "qkv_bias": self.qkv_bias,
        }
        if self.use_swiglu_ffn:
            arguments |= {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
            arguments["mlp_ratio"] = self._gated_ratio()
        if self.model_type != "dinov2":
            arguments["reg_tokens"] = self.num_register_tokens
        return arguments

    def _gated_ratio(self) -> float:
        """Return timm's ``mlp_ratio``: of the layer that holds the gate and what is gated.

        timm rounds the width down, hence the half.
        """
        width = int(int(self.hidden_size * self.mlp_ratio) * 2 / 3)
        rounded = (width + 7) // 8 * 8
        return (2 * rounded + 0.5) / self.hidden_size
