"""What the tests share: small data on disk in each layout, and a one-convolution network."""

import csv
import gc
import hashlib
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from PIL import Image

from pcam.cli.config import share_config_store
from pcam.data.sources.synthetic.source import SyntheticSource
from tests.once import (
    chosen_once,
    composed_once,
    loaded_once,
    merged_once,
    mode_read,
    rendered_once,
)

os.environ.update(WANDB_MODE="offline", HF_HUB_OFFLINE="1", NO_ALBUMENTATIONS_UPDATE="1")

STEM = "camelyonpatch_level_2_split_"
RENDER = SyntheticSource._render


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Give each worker one thread, before NumPy and OpenCV are imported, which ask for it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_done_twice() -> Iterator[None]:
    """Keep rendered patches and composed configs, which saves half of the time of a training."""
    gc.freeze()  # what is imported stays, and need not be visited again and again
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyntheticSource, "_render", rendered_once(RENDER))
        compose = composed_once(ConfigLoaderImpl.load_configuration)
        patch.setattr(ConfigLoaderImpl, "load_configuration", compose)
        patch.setattr(ConfigRepository, "load_config", loaded_once(ConfigRepository.load_config))
        merge = merged_once(ConfigLoaderImpl._compose_config_from_defaults_list)
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", merge)
        choose = chosen_once(config_loader_impl.create_defaults_list)
        patch.setattr(config_loader_impl, "create_defaults_list", choose)
        patch.setattr(Hydra, "get_mode", mode_read(Hydra.get_mode))
        share_config_store()
        yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the network: a connection to any other machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test asked for {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def write_pcam(root: Path, sizes: dict[str, int], **storage: object) -> Path:
    """Write made patches in the official layout; ``storage`` goes to h5py (chunks, compression)."""
    root.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        source = SyntheticSource(split, size)
        with h5py.File(root / f"{STEM}{split}_x.h5", "w") as file:
            file.create_dataset("x", data=source.read(np.arange(size)), **storage)
        with h5py.File(root / f"{STEM}{split}_y.h5", "w") as file:
            file["y"] = source.labels.reshape(-1, 1, 1, 1)
        with (root / f"{STEM}{split}_meta.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi"])
            anywhere = source.masks(np.arange(size)).any(
                (1, 2)
            )  # tumour_patch; the label is of the centre alone
            rows.writerows(
                [i, 0, 0, anywhere[i], bool(source.labels[i]), source.groups[i]]
                for i in range(size)
            )
    return root


def write_kaggle(root: Path, size: int = 40, unlabelled: int = 6) -> tuple[Path, SyntheticSource]:
    """Write made patches in Kaggle's layout, each named by the SHA-1 of its pixels."""
    source = SyntheticSource("train", size + unlabelled)
    patches = source.read(np.arange(len(source)))
    names = [hashlib.sha1(patch.tobytes()).hexdigest() for patch in patches]
    for i, (name, patch) in enumerate(zip(names, patches, strict=True)):
        folder = root / ("train" if i < size else "test")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(patch).save(folder / f"{name}.tif")
    for path, chosen in (
        ("train_labels.csv", range(size)),
        ("sample_submission.csv", range(size, len(names))),
    ):
        with (root / path).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "label"])
            rows.writerows([names[i], source.labels[i] if i < size else 0] for i in chosen)
    return root, source


def write_folder(
    root: Path, size: int = 12, splits: tuple[str, ...] = ("train", "valid", "test")
) -> Path:
    """Write made patches as ROOT/SPLIT/CLASS/*.png."""
    for split in splits:
        source = SyntheticSource(split, size)
        for i, patch in enumerate(source.read(np.arange(size))):
            folder = root / split / ("tumour" if source.labels[i] else "normal")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(patch).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="session")
def pcam_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pcam(tmp_path_factory.mktemp("pcam"), {"train": 96, "valid": 48, "test": 40})


@pytest.fixture(scope="session")
def kaggle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kaggle(tmp_path_factory.mktemp("kaggle"))[0]


@pytest.fixture(scope="session")
def folder_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("folder"))


# A network of timm's that is made for tests: 0.4 M parameters, BatchNorm, milliseconds a step; and
# epochs that have each patch once, also of few patches.
TINY = [
    *("model=timm", "model.name=test_resnet", "model.weights=none", "model.input_size=32"),
    "data.patches_per_epoch=null",
]
SMALL = [
    "data.train=96",
    "data.valid=48",
    "data.test=40",
    "data.batch_size=16",
    "trainer.progress=false",
]


@pytest.fixture
def forked_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that train together be forked, which saves seconds each."""
    from tests.forked import fork_group

    monkeypatch.setattr(sys.modules["torch.multiprocessing.spawn"], "spawn", fork_group)


def command(
    *words: object, cwd: Path, timeout: float = 300, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a door as a person does."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **env},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """The messages of an expected failure; nothing else is on stderr."""
        assert self.status == 2, self.out + self.err
        lines = self.err.strip().splitlines()
        assert all(line.startswith("error: ") for line in lines), self.err
        return [line.removeprefix("error: ") for line in lines]


Terminal = Callable[..., Answer]


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Terminal:
    """Run a command in this process, in ``tmp_path``: ``terminal("train", "seed=1")``."""

    def run(name: str, *words: object) -> Answer:
        capfd.readouterr()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"pcam.{name}", *map(str, words)])
        try:
            importlib.import_module(f"pcam.{name}").main()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capfd.readouterr()
        return Answer(status, out, err)

    return run
