"""A backbone whose fixed BatchNorm is a part of the convolutions before it.

With running statistics that do not move, BatchNorm multiplies and shifts each channel by numbers
that do not depend on the batch: the convolution can do so with its weights. So the activations
between both are neither written nor read, which on a CPU is a tenth to a third of a step's time.
In training, weights and bias of BatchNorm get their gradients through the product.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

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

    Weights may change between calls; a backbone that is replaced is folded anew. While any of the
    backbone's modules has a hook, the network is computed as it is.

    Args:
        network: in eval mode whenever this is called.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._backbone: nn.Module | None = None  # what is folded
        self._folded: nn.Module | None = None
        self._is_compared = False

    def __call__(self, image: Tensor) -> Tensor:
        """Return the log-odds (B,) of raw patches (B, 3, H, W)."""
        folded = self._choose(image)
        if folded is None:
            return self.network(image)  # type: ignore[no-any-return]
        return self.network(image, folded)  # type: ignore[no-any-return]

    def extract(self, image: Tensor) -> Tensor:
        """Return the features (B, F) of raw patches (B, 3, H, W)."""
        return self.network.extract(self.network.normalised(image), self._choose(image))

    def prepare(self) -> None:
        """Fold now: it changes how torch calls modules for a moment, in all threads."""
        self._backbone = self.network.backbone
        self._folded = None
        self._is_compared = False
        with _reported():
            self._folded = fold_batchnorm(self._backbone)

    def _choose(self, image: Tensor) -> nn.Module | None:
        """Return the form of the backbone that a batch is computed with; None for itself."""
        if image.device.type != "cpu" or has_hooks(self.network.backbone):
            return None
        if self._backbone is not self.network.backbone:
            self.prepare()
        if self._folded is not None and not self._is_compared:
            self._is_compared = True
            if not _is_equal(self.network, self._folded, image):
                self._folded = None
        return self._folded


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
    if has_hooks(network.backbone):
        raise ValueError("the backbone's modules have hooks")
    folded = fold_batchnorm(network.backbone)
    if folded is not None and not _is_equal(network, folded, image):
        raise ValueError("the features would be others")
    return folded


def has_hooks(backbone: nn.Module) -> bool:
    """Return whether any module of a backbone has a hook, which may change what it computes."""
    return any(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        for module in backbone.modules()
    )


@contextmanager
def _reported() -> Iterator[None]:
    """Log why a backbone is not folded: each network's code is followed, whatever it does."""
    try:
        yield
    except Exception as error:
        log.debug("BatchNorm is not folded into convolutions: %s", describe_error(error))


def _is_equal(network: Network, folded: nn.Module, image: Tensor) -> bool:
    """Return whether both forms of a backbone compute the same features of the first patches."""
    image = image[:COMPARED]
    devices = [] if image.device.type == "cpu" else [image.device]
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices),
        torch.autocast(image.device.type, enabled=False),
    ):
        torch.manual_seed(0)  # the same draws of dropout for both
        expected = network.extract(network.normalised(image))
        torch.manual_seed(0)
        found = network.extract(network.normalised(image), folded)
    difference = (found - expected).abs().max()
    return bool(difference <= CLOSE * expected.abs().max())  # not if one is not a number


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
