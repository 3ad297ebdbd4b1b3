"""How the network is computed in training steps: as it is, folded, in a CUDA graph, or compiled.

On a GPU, a step of a small network is bound by its hundreds of kernel launches. A CUDA graph
launches them all at once; torch.compile makes fewer of them, and takes a minute or more to do so.
On a CPU, a step is bound by reading and writing activations: BatchNorm with fixed statistics is
folded into the convolutions before it (``pcam.models.folding``).
"""

import logging
import time
from collections.abc import Mapping

from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from pcam.config.sections import CompileMode
from pcam.data.features import FEATURES
from pcam.errors import describe_error
from pcam.models.classifier import PatchClassifier, StepNetwork
from pcam.models.network import Network
from pcam.training.step_forms import build_folded, build_form, restored, time_form

log = logging.getLogger(__name__)

COMPILING_PAYS = 900  # seconds of training, from which trying torch.compile is worth its time
LABELS: Mapping[str, str] = {
    "off": "eager",
    "folded": "BatchNorm folded into convolutions",
    "graph": "a CUDA graph",
    "default": "torch.compile",
    "reduce-overhead": "torch.compile and a CUDA graph",
}
# A captured backward pass writes into memory of its own, which becomes a parameter's gradient: that
# of a second batch replaces that of the first before it is added (pytorch/pytorch#181723).
CAPTURED = ("graph", "reduce-overhead")
ACCUMULATES = "gradients of several batches are accumulated, and a CUDA graph keeps the last one's"
NO_ADVANTAGE = 0.97  # of the eager time, above which eager stays


class StepNetworkChoice(Callback):
    """Chooses how training steps compute the network, at the first step of an epoch.

    It is chosen again when the backbone is frozen or unfrozen. What is chosen computes the same
    function of the same weights; where it cannot be built, the network is computed as it is.

    Args:
        mode: the config's ``trainer.compile``.

    Attributes:
        chosen: the form that is used.
        milliseconds: of a forward and backward pass in each form that was tried.
        seconds: that choosing took.
    """

    def __init__(self, mode: CompileMode) -> None:
        self.mode = mode
        self.chosen = "off"
        self.milliseconds: dict[str, float] = {}
        self.seconds = 0.0
        self._chosen_for: bool | None = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: dict[str, Tensor], batch_idx: int
    ) -> None:
        """Choose, unless it is chosen already."""
        assert isinstance(pl_module, PatchClassifier)
        frozen = pl_module.network.frozen
        if self.mode == "off" or frozen == self._chosen_for or FEATURES in batch:
            return
        self._chosen_for = frozen
        pl_module.step_network = None
        self.chosen = "off"
        if trainer.world_size > 1:
            return  # DDP's own hooks reduce the gradients of the network as it is
        device = pl_module.device.type
        if self.mode == "folded" or (self.mode == "auto" and device == "cpu"):
            pl_module.step_network = self._fold(pl_module.network, batch["image"])
            return
        if device != "cuda" and self.mode in ("auto", "graph"):
            return
        if self.mode in CAPTURED and trainer.accumulate_grad_batches > 1:
            log.warning("trainer.compile=%s cannot be used: %s", self.mode, ACCUMULATES)
            return
        start = time.perf_counter()
        image = batch["image"]
        with trainer.precision_plugin.forward_context(), restored(pl_module.network):
            step_network = self._choose(trainer, pl_module.network, image)
        pl_module.step_network = step_network
        self.seconds += time.perf_counter() - start
        log.info("%s", self.describe())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Free what was captured."""
        assert isinstance(pl_module, PatchClassifier)
        pl_module.step_network = None

    def describe(self) -> str:
        """Return what was chosen, as text."""
        measured = [f"{LABELS[form]} {value:.1f} ms" for form, value in self.milliseconds.items()]
        tried = f" ({', '.join(measured)})" if measured else ""
        return f"training steps: {LABELS[self.chosen]}{tried}, chosen in {self.seconds:.1f} s"

    def _fold(self, network: Network, image: Tensor) -> StepNetwork | None:
        """Return the folded network; None for the network itself, with the reason if asked for."""
        start = time.perf_counter()
        level = logging.WARNING if self.mode == "folded" else logging.DEBUG
        try:
            with restored(network):
                folded = build_folded(network, image)
        except Exception as error:  # each network's code is followed, whatever it does
            log.log(level, "BatchNorm is not folded into convolutions: %s", describe_error(error))
            return None
        if folded is None:
            log.log(level, "BatchNorm is not folded into convolutions: none has fixed statistics")
            return None
        self.chosen = "folded"
        self.seconds += time.perf_counter() - start
        return folded

    def _choose(self, trainer: Trainer, network: nn.Module, image: Tensor) -> StepNetwork | None:
        """Return what computes the network; None for the network itself."""
        if self.mode != "auto":
            built = _try_to_build(self.mode, network, image)
            self.chosen = "off" if built is None else self.mode
            return built
        self.milliseconds = {"off": time_form(network, image)}
        best: StepNetwork | None = None
        self.chosen = "off"
        for form in self._candidates(trainer):
            built = _try_to_build(form, network, image)
            if built is None:
                continue
            self.milliseconds[form] = time_form(built, image)
            limit = self.milliseconds[self.chosen] * NO_ADVANTAGE
            if self.milliseconds[form] < limit:
                best, self.chosen = built, form
        return best

    def _candidates(self, trainer: Trainer) -> list[str]:
        """Return the forms that are worth trying in what is left of the training."""
        steps = float(trainer.estimated_stepping_batches) - trainer.global_step
        seconds = steps * self.milliseconds["off"] / 1000
        forms = ["graph", "reduce-overhead"] if seconds > COMPILING_PAYS else ["graph"]
        if trainer.accumulate_grad_batches > 1:
            return [form for form in forms if form not in CAPTURED]
        return forms


def _try_to_build(form: str, network: nn.Module, image: Tensor) -> StepNetwork | None:
    """Return a form of a network; None, with a warning, if it cannot be built."""
    try:
        built = build_form(form, network, image)
    except Exception as error:  # each backend raises errors of its own
        log.warning("trainer.compile=%s cannot be used: %s", form, describe_error(error))
        return None
    return built


def describe_step(trainer: Trainer) -> dict[str, str | float | dict[str, float]]:
    """Return what summary.json holds about training steps."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StepNetworkChoice):
            return {
                "compile": callback.chosen,
                "trial_ms": callback.milliseconds,
                "seconds": round(callback.seconds, 1),
            }
    return {}
