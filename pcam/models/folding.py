"""A backbone whose fixed BatchNorm is a part of the convolutions before it.

With running statistics that do not move, BatchNorm multiplies and shifts each channel by numbers
that do not depend on the batch: the convolution can do so with its weights. So the activations
between both are neither written nor read, which on a CPU is a third of the time of many networks.
In training, weights and bias of BatchNorm get their gradients through the product.
"""

import logging

import torch
from timm.layers import BatchNormAct2d
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, fx, nn

from pcam.errors import describe_error
from pcam.models.network import Network

log = logging.getLogger(__name__)

COMPARED = 8  # patches on which both forms of a network are compared
CLOSE = 1e-3  # largest difference of features, as a share of the largest feature
CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
NORMS = (nn.BatchNorm2d, BatchNormAct2d)


class FoldedConv(nn.Module):
    """A convolution and the BatchNorm after it, in one; both modules keep their parameters.

    Args:
        conv: without a bias, or with one.
        norm: in eval mode, with running statistics.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, image: Tensor) -> Tensor:
        """Return the output of the BatchNorm, with the activation that timm's has."""
        conv, norm = self.conv, self.norm
        weight, bias = fold(conv, norm)
        if isinstance(conv, Conv2dSame):
            image = pad_same(image, conv.kernel_size, conv.stride, conv.dilation)
        output: Tensor = conv._conv_forward(image, weight, bias)
        if isinstance(norm, BatchNormAct2d):
            output = norm.act(norm.drop(output))
        return output


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the weights and the bias of a convolution that does the BatchNorm's work too."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.affine:
        scale = scale * norm.weight
    mean = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
    bias = -mean * scale
    if norm.affine:
        bias = bias + norm.bias
    return conv.weight * scale[:, None, None, None], bias


class FoldedNetwork:
    """A network as it is computed in evaluation: on a CPU with BatchNorm folded, if that is equal.

    Which form is used is decided at the first call. Weights may change afterwards, layers may not.

    Args:
        network: in eval mode whenever this is called.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._backbone: nn.Module | None = None  # its other form
        self._is_chosen = False

    def __call__(self, image: Tensor) -> Tensor:
        """Return the log-odds (B,) of raw patches (B, 3, H, W)."""
        backbone = self._choose(image)
        if backbone is None:
            return self.network(image)  # type: ignore[no-any-return]
        return self.network(image, backbone)  # type: ignore[no-any-return]

    def extract(self, image: Tensor) -> Tensor:
        """Return the features (B, F) of raw patches (B, 3, H, W)."""
        return self.network.extract(self.network.normalised(image), self._choose(image))

    def _choose(self, image: Tensor) -> nn.Module | None:
        """Return the form of the backbone, the same for all batches; None for the backbone."""
        if not self._is_chosen:
            self._backbone = self._fold(image)
            self._is_chosen = True
        return self._backbone

    def _fold(self, image: Tensor) -> nn.Module | None:
        """Return the folded backbone; None if there is none."""
        if image.device.type != "cpu":
            return None
        try:
            return fold_network(self.network, image)
        except Exception as error:  # each network's code is followed, whatever it does
            log.debug("BatchNorm is not folded into convolutions: %s", describe_error(error))
            return None


def fold_network(network: Network, image: Tensor) -> nn.Module | None:
    """Return another form of a network's backbone, for ``Network.extract``.

    Args:
        network: in the mode of the steps that it is for.
        image: raw patches (B, 3, H, W), on the device; both forms are compared on the first ones.

    Returns:
        The backbone with fixed BatchNorm folded into convolutions; None if there is nothing to
        fold.

    Raises:
        ValueError: its features are not those of the backbone.
        Exception: the backbone's calculation depends on its input (``torch.fx``).
    """
    folded = fold_batchnorm(network.backbone)
    if folded is None:
        return None
    image = image[:COMPARED]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)  # the same draws of dropout for both
        expected = network.extract(network.normalised(image))
        torch.manual_seed(0)
        found = network.extract(network.normalised(image), folded)
    if not torch.allclose(found, expected, rtol=0, atol=CLOSE * float(expected.abs().max())):
        raise ValueError("with BatchNorm folded into convolutions the features are others")
    return folded


class _Tracer(fx.Tracer):
    """Follows a backbone down to its layers, which stay modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is not looked into."""
        return isinstance(m, NORMS) or not list(m.children())


def fold_batchnorm(backbone: nn.Module) -> nn.Module | None:
    """Return a backbone that shares all parameters, with fixed BatchNorm folded into convolutions.

    It is right as long as what is in eval mode stays so.

    Args:
        backbone: in the mode of the steps that it is for.

    Returns:
        The other form of the backbone; None if no convolution is followed by a fixed BatchNorm.

    Raises:
        Exception: the backbone's calculation depends on its input (``torch.fx``).
    """
    if not any(_is_fixed(module) for module in backbone.modules()):
        return None
    graph = _Tracer().trace(backbone)
    modules = dict(backbone.named_modules())
    folded = fx.GraphModule(backbone, graph)
    pairs = _find_pairs(graph, modules)
    for number, (conv_call, norm_call) in enumerate(pairs):
        conv = modules[str(conv_call.target)]
        norm = modules[str(norm_call.target)]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        name = f"folded_{number}"
        folded.add_submodule(name, FoldedConv(conv, norm))
        conv_call.target = name
        norm_call.replace_all_uses_with(conv_call)
        graph.erase_node(norm_call)
    if not pairs:
        return None
    folded.recompile()
    return folded


def _find_pairs(graph: fx.Graph, modules: dict[str, nn.Module]) -> list[tuple[fx.Node, fx.Node]]:
    """Return the calls of a convolution whose output is only that of a fixed BatchNorm's input."""
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    pairs = []
    for node in graph.nodes:
        if node.op != "call_module" or not _is_fixed(modules[str(node.target)]):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1:
            continue
        once = calls.count(str(before.target)) == calls.count(str(node.target)) == 1
        if once and type(modules[str(before.target)]) in CONVOLUTIONS:
            pairs.append((before, node))
    return pairs


def _is_fixed(module: nn.Module) -> bool:
    """Return whether a module is a BatchNorm that multiplies and shifts by fixed numbers."""
    return type(module) in NORMS and not module.training and module.running_var is not None
