"""Maps of what a network's log-odds owe to each pixel, by Captum, and which methods hold for which network.

What is explained is the log-odds of the positive class, whichever class is called: above zero a pixel speaks for it, below
zero against it. Inputs are normalised patches at their own size, so a map has the patch's pixels, whatever size the network
resizes them to. Where a method draws at random, the draws belong to (seed, patch).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pcam.attribution.scorer import Scorer, pooled_by_relus
from pcam.data.draws import Purpose, draw
from pcam.errors import ConfigError, near, reason

TOLERANCE = 0.01  # of the change of the log-odds: by how much a complete method's map may miss it
SMALLEST = 1e-4  # log-odds: a smaller change counts as this much, as that of a patch that is the baseline
TRIED = 4  # patches on which it is tried whether a method holds
BASELINES = ("white", "black", "mean", "patch")


@dataclass(frozen=True)
class Options:
    """Settings of the methods; each is used by those that have it.

    Attributes:
        baseline: what a patch is compared with, and replaced by: white (glass without tissue), black, mean (the colour that
            the network's normalisation takes for zero) or patch (the patch's own mean colour).
        steps: of integrated gradients, doubled for a patch until its map is complete to ``TOLERANCE``.
        max_steps: at which that ends.
        samples: of SmoothGrad and gradient SHAP.
        noise: standard deviation of SmoothGrad's, as a share of the patch's range (Smilkov et al. 2017).
        window: side of occlusion's square, pixels.
        stride: by which it moves, pixels.
        batch: patches that the network sees at once.
        seed: of the draws.
    """

    baseline: str = "white"
    steps: int = 50
    max_steps: int = 1600
    samples: int = 25
    noise: float = 0.15
    window: int = 8
    stride: int = 8
    batch: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise ConfigError(f"baseline={self.baseline} is not known{near(self.baseline, BASELINES)}")
        for key in ("steps", "max_steps", "samples", "window", "stride", "batch"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}={getattr(self, key)}; it is a count from 1")
        if self.steps > self.max_steps:
            raise ConfigError(f"steps={self.steps} is more than max_steps={self.max_steps}")
        if self.stride > self.window:
            raise ConfigError(f"stride={self.stride} is more than window={self.window}: pixels between would not be covered")
        if not self.noise > 0:
            raise ConfigError(f"noise={self.noise}; it is a share of the patch's range, above 0")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed}; it is a whole number from 0")


@dataclass(frozen=True)
class Maps:
    """Maps of some patches.

    Attributes:
        values: float32 (B, H, W).
        gap: (B,), |sum of the attributions - (f(x) - f(baseline))| / |f(x) - f(baseline)|, the latter at least ``SMALLEST``;
            NaN for methods that promise none.
        steps: (B,), that integrated gradients took; 0 for other methods.
    """

    values: Tensor
    gap: Tensor
    steps: Tensor

    @property
    def complete(self) -> bool:
        """Whether the method promises that the map's sum is the change of the log-odds."""
        return not bool(self.gap.isnan().all())


class Explainer:
    """A network, what its maps are made with, and which layer Grad-CAM looks at.

    Args:
        scorer: the network.
        layer: one of its modules, whose output is (B, C, h, w).
        options: settings of the methods.
        references: normalised patches (R, 3, H, W) that gradient SHAP compares with.
    """

    def __init__(self, scorer: Scorer, layer: nn.Module, options: Options, references: Tensor) -> None:
        self.scorer, self.layer, self.options, self.references = scorer, layer, options, references

    @cached_property
    def pooled_by_relus(self) -> Scorer:
        """The scorer for DeepLIFT."""
        return pooled_by_relus(self.scorer)

    def baseline(self, x: Tensor) -> Tensor:
        """Return what normalised patches (B, 3, H, W) are compared with, of their shape."""
        network, name = self.scorer.network, self.options.baseline
        if name == "patch":
            return x.mean((-2, -1), keepdim=True).expand_as(x)
        color = network.mean if name == "mean" else torch.full_like(network.mean, 1.0 if name == "white" else 0.0)
        return ((color - network.mean) / network.std).expand_as(x)

    def maps(self, method: str, x: Tensor, index: Tensor, bar: Any = None) -> Maps:
        """Return the maps of normalised patches, on the CPU.

        Args:
            method: one of ``METHODS``.
            x: (B, 3, H, W), on the network's device.
            index: (B,), what the draws of each patch belong to.
            bar: tqdm's, to move on, a patch at a time.
        """
        parts, size = [], self.options.batch if METHODS[method].batched else 1
        for few, which in zip(torch.split(x, size), torch.split(index, size), strict=True):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "(Setting forward, backward hooks|Input Tensor)")  # what it does and undoes
                found = METHODS[method].attribute(self, few.detach(), which)
            parts.append(Maps(found.values.detach().float().cpu(), found.gap.cpu(), found.steps.cpu()))
            if bar is not None:
                bar.update(len(few))
        return Maps(*(torch.cat([getattr(part, key) for part in parts]) for key in ("values", "gap", "steps")))

    def refused(self, method: str, x: Tensor) -> str | None:
        """Return why a method does not hold for this network, None where it does; tried on a few of ``x``."""
        check = METHODS[method].refusal
        return None if check is None else check(self, x[:TRIED].detach())


Attribute = Callable[[Explainer, Tensor, Tensor], Maps]


@dataclass(frozen=True)
class Method:
    """A way to make maps.

    Attributes:
        title: for a person.
        unit: of a map's values.
        signed: whether values below zero have a meaning.
        attribute: normalised patches and their indices to maps.
        batched: patches are worked on together; else one by one, the batch being filled with steps, samples or windows.
        refusal: why it does not hold for a network.
    """

    title: str
    unit: str
    signed: bool
    attribute: Attribute
    batched: bool = True
    refusal: Callable[[Explainer, Tensor], str | None] | None = None


def saliency(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """The largest absolute gradient over the channels (Simonyan et al. 2014, section 3.1)."""
    from captum.attr import Saliency

    return _maps(Saliency(e.scorer).attribute(x, abs=False).abs().amax(1))


def input_x_gradient(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """The gradient times the normalised input, summed over the channels (Shrikumar et al. 2016)."""
    from captum.attr import InputXGradient

    return _maps(InputXGradient(e.scorer).attribute(x).sum(1))


def integrated_gradients(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """The gradient along the way from the baseline, times that way (Sundararajan et al. 2017, equation 1)."""
    from captum.attr import IntegratedGradients

    baseline, steps = e.baseline(x), e.options.steps
    change = _change(e, x, baseline)
    while True:
        found, miss = IntegratedGradients(e.scorer).attribute(
            x, baseline, n_steps=steps, internal_batch_size=e.options.batch, return_convergence_delta=True
        )
        gap = miss.abs().float() / change
        if bool((gap <= TOLERANCE).all()) or steps == e.options.max_steps:
            return Maps(found.sum(1), gap, torch.full((len(x),), steps))
        steps = min(2 * steps, e.options.max_steps)


def smoothgrad(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """Saliency of the mean gradient of noisy copies of the patch (Smilkov et al. 2017)."""
    from captum.attr import NoiseTunnel, Saliency

    deviation, samples = e.options.noise * float(x.max() - x.min()), e.options.samples
    with counted(e.options.seed, index):
        found = NoiseTunnel(Saliency(e.scorer)).attribute(
            x, nt_type="smoothgrad", nt_samples=samples, nt_samples_batch_size=min(e.options.batch, samples),
            stdevs=max(deviation, 1e-6), abs=False,
        )  # fmt: skip
    return _maps(found.abs().amax(1))


def gradient_shap(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """The expected gradient between the patch and other patches, times their difference (Erion et al. 2021, equation 3)."""
    from captum.attr import GradientShap

    done, total, references = 0, torch.zeros_like(x), e.references
    if references.shape[-2:] != x.shape[-2:]:  # the patch is shown turned, and is not square
        references = torch.rot90(references, 1, (-2, -1))
    with counted(e.options.seed, index):
        while done < e.options.samples:
            few = min(e.options.batch, e.options.samples - done)
            total += few * GradientShap(e.scorer).attribute(x, references, n_samples=few, stdevs=0.0)
            done += few
    return _maps((total / done).sum(1))


def deeplift(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """What each pixel adds to the difference from the baseline, by the rescale rule (Shrikumar et al. 2017, section 3.5.1)."""
    from captum.attr import DeepLift

    baseline = e.baseline(x)
    found, miss = DeepLift(e.pooled_by_relus).attribute(x, baseline, return_convergence_delta=True)
    return Maps(found.sum(1), miss.abs() / _change(e, x, baseline), torch.zeros(len(x), dtype=torch.int64))


def gradcam(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """A layer's maps weighted by their mean gradients, what lies below zero cut off (Selvaraju et al. 2017, equation 2)."""
    from captum.attr import LayerAttribution, LayerGradCam

    found = LayerGradCam(e.scorer, e.layer).attribute(x.requires_grad_(), relu_attributions=True)
    return _maps(LayerAttribution.interpolate(found, tuple(x.shape[-2:]), "bilinear").sum(1))


def guided_backprop(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """Saliency of gradients that pass a ReLU only where they are above zero (Springenberg et al. 2015)."""
    from captum.attr import GuidedBackprop

    return _maps(GuidedBackprop(e.scorer).attribute(x).abs().amax(1))


def guided_gradcam(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """Guided backpropagation times Grad-CAM (Selvaraju et al. 2017, section 3.2)."""
    from captum.attr import GuidedGradCam

    return _maps(GuidedGradCam(e.scorer, e.layer).attribute(x.requires_grad_(), interpolate_mode="bilinear").abs().amax(1))


def occlusion(e: Explainer, x: Tensor, index: Tensor) -> Maps:
    """What the log-odds lose when a square is replaced by the baseline (Zeiler & Fergus 2014), mean over the squares."""
    from captum.attr import Occlusion

    window, stride = min(e.options.window, *x.shape[-2:]), e.options.stride
    found = Occlusion(e.scorer).attribute(
        x, sliding_window_shapes=(3, window, window), strides=(3, min(stride, window), min(stride, window)),
        baselines=e.baseline(x), perturbations_per_eval=e.options.batch,
    )  # fmt: skip
    return _maps(found.mean(1))


def _maps(values: Tensor) -> Maps:
    size = len(values)
    return Maps(values, torch.full((size,), torch.nan), torch.zeros(size, dtype=torch.int64))


def _change(e: Explainer, x: Tensor, baseline: Tensor) -> Tensor:
    with torch.no_grad():
        change: Tensor = (e.scorer(x) - e.scorer(baseline)).abs().clamp(min=SMALLEST)
    return change


@contextmanager
def counted(seed: int, index: Tensor) -> Iterator[None]:
    """Have torch and numpy, from whose own states Captum draws, draw what belongs to (seed, patch)."""
    (one,) = index.tolist()
    drawn = draw(seed, Purpose.ATTRIBUTION, patch=one).integers(1 << 31)
    before = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(int(drawn))
        np.random.seed(int(drawn))
        try:
            yield
        finally:
            np.random.set_state(before)


# When a method does not hold -----------------------------------------------------------------------------------------


def _no_map(e: Explainer, x: Tensor) -> str | None:
    seen: list[object] = []
    handle = e.layer.register_forward_hook(lambda module, inputs, out: seen.append(out))
    with torch.no_grad():
        e.scorer(x)
    handle.remove()
    if not seen:
        return "the layer does not run"
    if not isinstance(seen[0], Tensor) or seen[0].ndim != 4 or min(seen[0].shape[-2:]) < 2:
        told = "x".join(map(str, seen[0].shape[1:])) if isinstance(seen[0], Tensor) else type(seen[0]).__name__
        return f"the layer gives {told}, not channels of a map"
    return None


OTHERS = ("Silu", "Gelu", "Hardtanh", "Hardswish", "Hardsigmoid", "LeakyRelu", "Elu", "Mish", "Sigmoid", "Softplus", "Prelu")


def _unguided(e: Explainer, x: Tensor) -> str | None:
    """Compare the ReLUs in the graph of a backward pass with those that are modules, which alone Captum can guide."""
    runs = [0]

    def told(module: nn.Module, inputs: object, out: object) -> None:
        runs[0] += 1

    handles = [module.register_forward_hook(told) for module in e.scorer.modules() if isinstance(module, nn.ReLU)]
    names = _graph(e.scorer(x.requires_grad_()))
    for handle in handles:
        handle.remove()
    relus = sum(name.startswith("ReluBackward") for name in names)
    others = sorted({other for other in OTHERS for name in names if name.startswith(f"{other}Backward")})
    if others:
        return f"its rule is for ReLU alone, and the network has {' and '.join(others)}"
    if relus > runs[0]:
        return f"{relus - runs[0]} of the network's {relus} ReLUs are functions, not modules, and would go unguided"
    return None if relus else "the network has no ReLU"


def _graph(out: Tensor) -> list[str]:
    """Return the names of all steps of a backward pass."""
    seen, left, names = set(), [out.grad_fn], []
    while left:
        step = left.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        names.append(type(step).__name__)
        left += [before for before, _ in step.next_functions]
    return names


def _misses(e: Explainer, x: Tensor) -> str | None:
    """Try it: where a non-linearity goes without its rule, the sum of the map misses the change of the log-odds."""
    try:
        gap = float(e.maps("deeplift", x, torch.arange(len(x))).gap.median())
    except (RuntimeError, AssertionError, AttributeError) as error:
        return f"Captum cannot follow the network ({reason(error)})"
    if gap <= TOLERANCE:
        return None
    return f"its map misses the change of the log-odds by {100 * gap:.3g} %: a non-linearity has no rule"


def _unguided_or_no_map(e: Explainer, x: Tensor) -> str | None:
    return _unguided(e, x) or _no_map(e, x)


GRADIENT, LOGODDS = "log-odds per unit of normalised input", "log-odds"

METHODS: Mapping[str, Method] = {
    "saliency": Method("saliency", GRADIENT, False, saliency),
    "input_x_gradient": Method("input × gradient", LOGODDS, True, input_x_gradient),
    "integrated_gradients": Method("integrated gradients", LOGODDS, True, integrated_gradients, batched=False),
    "smoothgrad": Method("SmoothGrad", GRADIENT, False, smoothgrad, batched=False),
    "gradcam": Method("Grad-CAM", "log-odds, weighted", False, gradcam, refusal=_no_map),
    "guided_gradcam": Method("guided Grad-CAM", "product", False, guided_gradcam, refusal=_unguided_or_no_map),
    "guided_backprop": Method("guided backpropagation", GRADIENT, False, guided_backprop, refusal=_unguided),
    "occlusion": Method("occlusion", LOGODDS, True, occlusion, batched=False),
    "gradient_shap": Method("gradient SHAP", LOGODDS, True, gradient_shap, batched=False),
    "deeplift": Method("DeepLIFT", LOGODDS, True, deeplift, refusal=_misses),
}
