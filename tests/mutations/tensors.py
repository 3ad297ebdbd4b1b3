"""Checkpoints of runs, and files of weights."""

import copy
import hashlib
import random
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.mutations.cases import Accept, Content, Mutation, any_content
from tests.mutations.files import file_mutations
from tests.mutations.texts import ODD
from tests.mutations.trained import copy_run, trained_run

Change = Callable[[dict[str, Any]], None]
CHECKPOINT = "checkpoints/best.ckpt"
KERNEL, VARIANCE, COUNTER = "conv1.weight", "bn1.running_var", "bn1.num_batches_tracked"
DEEP = 3000  # levels


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha1()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _on_tensor(suffix: str, change: Callable[[Tensor], object]) -> Callable[[dict[str, Any]], None]:
    def apply(state: dict[str, Any]) -> None:
        name = next(key for key in state if key.endswith(suffix))
        state[name] = change(state[name].clone())

    return apply


def _with(place: int, value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        changed = tensor.contiguous()
        changed.view(-1)[place] = value
        return changed

    return change


def _remove(suffix: str) -> Callable[[dict[str, Any]], None]:
    def apply(state: dict[str, Any]) -> None:
        del state[next(key for key in state if key.endswith(suffix))]

    return apply


def _cast_all(dtype: torch.dtype) -> Callable[[dict[str, Any]], None]:
    def apply(state: dict[str, Any]) -> None:
        for name, value in state.items():
            if value.is_floating_point():
                state[name] = value.to(dtype)

    return apply


def _quantized(tensor: Tensor) -> Tensor:
    return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def _add(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def apply(state: dict[str, Any]) -> None:
        state[name] = value

    return apply


def _clear(state: dict[str, Any]) -> None:
    state.clear()


# What is wrong with tensors, whatever file they are in.
STATES: dict[str, Callable[[dict[str, Any]], None]] = {
    "int8": _on_tensor(KERNEL, lambda one: one.to(torch.int8)),
    "int64": _on_tensor(KERNEL, lambda one: one.to(torch.int64)),
    "bool": _on_tensor(KERNEL, lambda one: one > 0),
    "complex": _on_tensor(KERNEL, lambda one: one.to(torch.complex64)),
    "sparse": _on_tensor(KERNEL, lambda one: one.to_sparse()),
    "meta": _on_tensor(KERNEL, lambda one: one.to("meta")),
    "quantized": _on_tensor(KERNEL, _quantized),
    "a number": _on_tensor(KERNEL, lambda one: 1.0),
    "a list": _on_tensor(KERNEL, lambda one: [1.0]),
    "null": _on_tensor(KERNEL, lambda one: None),
    "NaN": _on_tensor(KERNEL, _with(0, float("nan"))),
    "infinite": _on_tensor(KERNEL, _with(5, float("inf"))),
    "a float64 beyond float32": _on_tensor(KERNEL, lambda one: one.double() * 1e300),
    "negative variance": _on_tensor(VARIANCE, _with(0, -1.0)),
    "variance NaN": _on_tensor(VARIANCE, _with(0, float("nan"))),
    "another shape": _on_tensor(KERNEL, lambda one: one[:-1].clone()),
    "transposed": _on_tensor(KERNEL, lambda one: one.permute(2, 1, 0, 3).contiguous()),
    "flat": _on_tensor(KERNEL, lambda one: one.reshape(-1)),
    "a single value": _on_tensor(KERNEL, lambda one: one.flatten()[0].clone()),
    "no values": _on_tensor(KERNEL, lambda one: one[:0].clone()),
    "one that repeats": _on_tensor(KERNEL, lambda one: one[:1, :1, :1, :1].expand(999999, 3, 3, 3)),
    "a kernel missing": _remove(KERNEL),
    "a variance missing": _remove(VARIANCE),
    "a further tensor": _add("further.weight", torch.zeros(2)),
    "no tensors": _clear,
    "float8": _on_tensor(KERNEL, lambda one: one.to(torch.float8_e4m3fn)),
    "a counter as text": _on_tensor(COUNTER, lambda one: "5"),
    "a name of bytes": _add(b"bytes", torch.zeros(2)),  # type: ignore[arg-type]
    "a name with control characters": _add("a\x1b[31m\nb", torch.zeros(2)),
}
# Other numbers of the same kind, which are converted as torch does.
CONVERTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "all float64": _cast_all(torch.float64),
    "all float16": _cast_all(torch.float16),
    "all bfloat16": _cast_all(torch.bfloat16),
    "a counter negative": _on_tensor(COUNTER, lambda one: one * 0 - 5),
    "a counter as float": _on_tensor(COUNTER, lambda one: one.float()),
    "a counter missing": _remove(COUNTER),
}


class Weights:
    """The backbone's weights as .pth and .safetensors."""

    name = "weights"

    def build(self, folder: Path) -> None:
        """Write the weights of the run's backbone in three forms."""
        from safetensors.torch import save_file

        state = self._backbone_state()
        torch.save(state, folder / "weights.pth")
        torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
        save_file(state, folder / "weights.safetensors")

    def _backbone_state(self) -> dict[str, Tensor]:
        content = torch.load(trained_run() / CHECKPOINT, weights_only=True)["state_dict"]
        prefix = "network.backbone."
        return {
            key.removeprefix(prefix): value.clone().contiguous()
            for key, value in content.items()
            if key.startswith(prefix)
        }

    def read(self, folder: Path) -> Content:
        """Load each file into a network."""
        from pcam.models.backbones import build_backbone
        from pcam.models.weights import load_initial_weights

        content = {}
        for path in sorted(folder.iterdir()):
            backbone = build_backbone("test_resnet", {}, "avg", 32)
            load_initial_weights(backbone, "test_resnet", {}, str(path), 32)
            content[path.name] = _digest(dict(backbone.state_dict()))
        return content

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each file, and tensors that are no weights."""
        found = _torch_file("weights.pth")
        found += file_mutations("legacy.pth", any_content)
        found += file_mutations("weights.safetensors", any_content)
        found = [mutation for mutation in found if not mutation.name.endswith("missing")]
        for label, change in STATES.items():
            for name in ("weights.pth", "weights.safetensors"):
                mutation = Mutation(f"{name}: {label}", _save(name, change), refused=True)
                found.append(mutation)
        for label, change in CONVERTED.items():
            found.append(
                Mutation(f"weights.pth: {label}", _save("weights.pth", change), any_content)
            )
        for label, content in CONTENTS.items():
            apply = _save_content("weights.pth", content)
            found.append(Mutation(f"weights.pth: {label}", apply, refused=True))
        return found


def _torch_file(name: str) -> list[Mutation]:
    """Return the mutations of a file of torch's: it is a zip, whose checksums find other bytes."""
    found = []
    for mutation in file_mutations(name):
        found.append(mutation)
    return found


def _save(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        path = folder / name
        if name.endswith(".safetensors"):
            _save_safetensors(path, change)
            return
        state = torch.load(path, weights_only=True)
        path.unlink()
        change(state)
        torch.save(state, path)

    return apply


def _save_safetensors(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(path)
    path.unlink()
    change(state)
    try:
        save_file({str(key): value.contiguous() for key, value in state.items()}, path)
    except Exception:  # what the format cannot hold
        path.write_bytes(b"\xff" * 100)


def _save_content(name: str, content: object) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        path = folder / name
        path.unlink()
        torch.save(content, path)

    return apply


def _nested(levels: int) -> dict[str, Any]:
    content: dict[str, Any] = {"a": torch.zeros(1)}
    for _ in range(levels):
        content = {"a": content}
    return content


CONTENTS: dict[str, object] = {
    "a tensor": torch.zeros(3),
    "a list of tensors": [torch.zeros(3)],
    "text": "weights",
    "null": None,
    "numbers": {"a": 1, "b": 2.0},
    "tables in tables": _nested(200),
    "a table of no tables": {"state_dict": {}},
    "numbers as names": {1: torch.zeros(1), 2: torch.zeros(1)},
}


class Checkpoint:
    """The best checkpoint of a run, as later commands open it."""

    name = "checkpoint"

    def build(self, folder: Path) -> None:
        """Copy a run."""
        copy_run(folder)

    def read(self, folder: Path) -> Content:
        """Open the run and score patches."""
        from pcam.evaluation.saved_run import open_run
        from pcam.models.patch_format import check_images

        run = open_run(folder)
        image = torch.arange(3 * 96 * 96).reshape(1, 3, 96, 96).to(torch.uint8)
        check_images(image)
        with torch.inference_mode():
            logit = run.model(image)
        return {
            "state": _digest(dict(run.model.state_dict())),
            "logit": logit.tolist(),
            "classes": run.classes,
            "weights": run.model.describe_weights(),
            "format": str(run.model.patch_format),
            "settings": str(run.model.hparams),
        }

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of the file, its tensors, and each of its other values."""
        found = [one for one in file_mutations(CHECKPOINT)]
        for label, change in STATES.items():
            apply = _change(_in_state(change))
            found.append(Mutation(f"state_dict: {label}", apply, refused=True))
        for label, change in CONVERTED.items():
            if label == "a counter missing":
                continue
            apply = _change(_in_state(change))
            found.append(Mutation(f"state_dict: {label}", apply, any_content))
        for keys, fits in KEYS.items():
            found += _key_mutations(keys, fits)
        for label, content in CONTENTS.items():
            apply = _save_content(CHECKPOINT, content)
            found.append(Mutation(f"the file holds {label}", apply, refused=True))
        return found


def _in_state(change: Change) -> Change:
    return lambda content: change(content["state_dict"])


def _change(change: Change) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        path = folder / CHECKPOINT
        content = torch.load(path, weights_only=True)
        path.unlink()
        change(content)
        torch.save(content, path)

    return apply


# The keys of a checkpoint that later commands read, and which odd values they may have.
TEXTS = frozenset(("text", "empty text", "space", "long text", "line break", "escape code"))
POSITIVE = frozenset(("5",))
KEYS: dict[str, frozenset[str]] = {
    "state_dict": frozenset(),
    "hyper_parameters": frozenset(),
    "hyper_parameters.network": frozenset(),
    "hyper_parameters.network.name": frozenset(),
    "hyper_parameters.network.kwargs": frozenset(("table",)),
    "hyper_parameters.network.input_size": POSITIVE | {"null"},
    "hyper_parameters.network.interpolation": frozenset(),
    "hyper_parameters.network.mean": frozenset(("0", "0.5", "null")),
    "hyper_parameters.network.std": frozenset(("0.5", "5", "null", "2^63", "1e20")),
    "hyper_parameters.network.head": frozenset(("table",)),
    "hyper_parameters.network.head.pool": frozenset(),
    "hyper_parameters.network.head.hidden": frozenset(("null",)),
    "hyper_parameters.network.head.dropout": frozenset(("0", "0.5")),
    "hyper_parameters.network.head.batch_norm": frozenset(("true",)),
    "hyper_parameters.loss": frozenset(),
    "hyper_parameters.loss.name": frozenset(),
    "hyper_parameters.optimizer": frozenset(),
    "hyper_parameters.scheduler": frozenset(),
    "hyper_parameters.finetune": frozenset(),
    "hyper_parameters.finetune.name": frozenset(),
    "hyper_parameters.epochs": POSITIVE,
    "hyper_parameters.seed": frozenset(("0", "5")),
    "patches": frozenset(("null", "table")),
    "patches.classes": frozenset(),
    "patches.height": POSITIVE,
    "patches.width": POSITIVE,
    "patches.crop": frozenset(),
    "patches.crop_size": POSITIVE | {"null"},
    "patches.seed": frozenset(("0", "5")),
    "initial_weights": frozenset(("null", "table")),
    "initial_weights.asked": TEXTS,  # shown, with control characters escaped
    "initial_weights.origin": TEXTS,
    "initial_weights.detail": TEXTS,
}
OPTIONAL = frozenset(("patches", "initial_weights", "hyper_parameters.network.kwargs"))


def _key_mutations(keys: str, fits: frozenset[str]) -> list[Mutation]:
    path = keys.split(".")
    accept: Accept | None = any_content if keys in OPTIONAL or ".head." in keys else None
    found = [Mutation(f"{keys}: missing", _change(_delete(path)), accept)]
    for label, odd in ODD.items():
        right = label in fits
        apply = _change(_replace(path, odd))
        mutation = Mutation(f"{keys}={label}", apply, any_content if right else None, refused=False)
        found.append(mutation)
    return found


def _parent(content: Any, path: list[str]) -> Any:
    for key in path[:-1]:
        content = content[key]
    return content


def _delete(path: list[str]) -> Change:
    def change(content: dict[str, Any]) -> None:
        del _parent(content, path)[path[-1]]

    return change


def _replace(path: list[str], odd: object) -> Change:
    def change(content: dict[str, Any]) -> None:
        _parent(content, path)[path[-1]] = copy.deepcopy(odd)

    return change
