"""Maps during a training: which epochs are drawn, and that the training stays the same."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from pcam.errors import ConfigError
from tests.conftest import SMALL, TINY
from tests.run import composed, killed_after, train

THREE_EPOCHS = [
    *TINY,
    *SMALL,
    "trainer.max_epochs=3",
    "finetune=frozen_then_unfrozen",
    "finetune.unfreeze_epoch=2",
    "aug=dihedral",
]


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    path = folder / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def read_losses(folder: Path) -> list[list[str]]:
    lines = (folder / "metrics.csv").read_text().splitlines()
    return [line.split(",")[3:] for line in lines]


def figure_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "figures" / "attribution").iterdir())


@pytest.fixture(scope="module")
def run_with_maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps") / "run"
    maps = [
        "attribution.every=2",
        "attribution.patches=2",
        "attribution.methods=[smoothgrad,gradient_shap,gradcam,deeplift]",
    ]
    train(folder, *THREE_EPOCHS, *maps, "logger=tensorboard")
    return folder


@pytest.mark.slow
def test_training_with_and_without_maps_gives_equal_weights_to_the_bit(
    run_with_maps: Path, tmp_path: Path
) -> None:
    train(tmp_path / "without", *THREE_EPOCHS)
    without, with_maps = load_weights(tmp_path / "without"), load_weights(run_with_maps)
    assert without.keys() == with_maps.keys()
    assert all(torch.equal(without[key], with_maps[key]) for key in without)
    assert read_losses(tmp_path / "without") == read_losses(run_with_maps)
    assert not (tmp_path / "without" / "figures" / "attribution").exists()


@pytest.mark.slow
def test_maps_before_the_first_after_every_second_and_after_the_last_epoch(
    run_with_maps: Path,
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert figure_names(run_with_maps) == ["epoch-000.png", "epoch-002.png", "epoch-003.png"]
    pictures = sorted((run_with_maps / "figures" / "attribution").iterdir())
    assert len({path.read_bytes() for path in pictures}) == 3  # the maps change
    assert min(Image.open(pictures[0]).size) > 200
    events = EventAccumulator(str(run_with_maps / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("attribution")] == [0, 12, 18]


@pytest.mark.slow
def test_maps_in_an_offline_run_of_wandb(tmp_path: Path) -> None:
    maps = ["attribution.every=2", "attribution.patches=2", "attribution.methods=[saliency]"]
    train(tmp_path / "run", *THREE_EPOCHS, *maps, "logger=wandb")
    kept = list((tmp_path / "run").rglob("media/images/attribution*.png"))
    assert len(kept) == 3
    assert min(Image.open(kept[0]).size) > 200


@pytest.mark.slow
def test_a_resumed_run_draws_what_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *THREE_EPOCHS,
        "attribution.every=1",
        "attribution.patches=2",
        "attribution.methods=[smoothgrad]",
    ]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    drawn = tmp_path / "killed" / "figures" / "attribution"
    assert figure_names(tmp_path / "killed") == ["epoch-000.png", "epoch-001.png"]
    train(tmp_path / "killed", *words, resume=True)
    for path in (tmp_path / "whole" / "figures" / "attribution").iterdir():
        assert (drawn / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_last_epoch_is_drawn_when_training_stops_early(tmp_path: Path) -> None:
    still = [
        "optimizer.lr=1e-12",
        "optimizer.head_lr=1e-12",
        "trainer.early_stopping=1",
        "trainer.max_epochs=9",
    ]
    train(
        tmp_path / "run",
        *TINY,
        *SMALL,
        *still,
        "attribution.every=4",
        "attribution.patches=2",
        "attribution.methods=[saliency]",
    )
    epochs = len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) - 1
    assert 1 < epochs < 9
    assert (tmp_path / "run" / "figures" / "attribution" / f"epoch-{epochs:03}.png").is_file()


@pytest.mark.slow
def test_with_a_moving_average_the_maps_are_of_what_is_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pcam.attribution import training_maps

    seen: list[torch.Tensor] = []
    scorer = training_maps.Scorer
    monkeypatch.setattr(
        training_maps,
        "Scorer",
        lambda network: seen.append(network.head[-1].weight.clone()) or scorer(network),
    )
    words = [
        "trainer.ema=0.9",
        "trainer.max_epochs=2",
        "attribution.every=1",
        "attribution.patches=2",
        "attribution.methods=[saliency]",
    ]
    train(tmp_path / "run", *TINY, *SMALL, *words, "optimizer.head_lr=0.1")
    kept = torch.load(
        tmp_path / "run" / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True
    )
    averaged = next(
        value for key, value in kept["state_dict"].items() if key.endswith("head.0.weight")
    )
    assert len(seen) == 3
    torch.testing.assert_close(seen[-1], averaged)


@pytest.mark.parametrize(
    "word",
    [
        "attribution.every=0",
        "attribution.methods=[]",
        "attribution.methods=[gradcan]",
        "attribution.patches=none",
        "attribution.patches=25",
        "attribution.methods=[saliency,saliency]",
    ],
)
def test_values_out_of_range_are_errors(word: str) -> None:
    with pytest.raises(ConfigError, match="attribution"):
        composed(word)
