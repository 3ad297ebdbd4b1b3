from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pcam.data.base import MaskedPatchSource
from pcam.data.datamodule import PatchDataModule, fingerprint
from pcam.data.reading import resolve_num_workers
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError, DataError
from tests.data.configs import data_module


def data(*overrides: str) -> PatchDataModule:
    sizes = [] if "data=folder" in overrides else ["data.train=50", "data.valid=20", "data.test=20"]
    sizes.append("data.patches_per_epoch=null")
    return data_module(*sizes, "data.batch_size=16", *overrides)


def epoch_of(
    module: PatchDataModule, epoch: int, split: str = "train", training: bool = True
) -> dict[str, torch.Tensor]:
    loader = module.loader(split, training)
    loader.batch_sampler.epoch = lambda: epoch
    batches = list(loader)
    return {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}


def test_a_batch_is_what_the_contract_says() -> None:
    batch = next(iter(data().train_dataloader()))
    assert set(batch) == {"image", "label", "index", "draw"}
    assert batch["draw"].tolist() == batch["index"].tolist()
    assert (batch["image"].dtype, tuple(batch["image"].shape)) == (torch.uint8, (16, 3, 96, 96))
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["label"].dtype == batch["index"].dtype == torch.int64
    source = data().sources["train"]
    assert batch["label"].tolist() == source.labels[batch["index"]].tolist()


def test_quarter_turns_of_oblong_patches_are_refused_before_training(tmp_path: Path) -> None:
    for name in ("normal", "tumour"):
        for split in ("train", "valid"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(
                tmp_path / split / name / "a.png"
            )
    folder = ("data=folder", f"data.root={tmp_path}")
    for aug in ("aug=paper", "aug=dihedral", "aug=dihedral_color"):
        with pytest.raises(DataError, match=r"need square patches; .* \(they are 64x48 pixels\)"):
            data(*folder, aug)
    for word in ("aug=none", "aug=keras"):
        assert data(*folder, word).opened.size == (48, 64)
    assert data(*folder, "aug=paper", "crop=center", "crop.size=32").opened.size == (48, 64)


def test_splits_of_different_sizes_are_refused_before_training(tmp_path: Path) -> None:
    for name in ("normal", "tumour"):
        for split, side in (("train", 16), ("valid", 16), ("test", 12)):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (side, side)).save(tmp_path / split / name / "a.png")
    message = r"different sizes \(train 16x16, valid 16x16, test 12x12 pixels\); all must have one"
    with pytest.raises(DataError, match=message):
        data("data=folder", f"data.root={tmp_path}")


def test_images_are_the_patches_of_their_index() -> None:
    batch = epoch_of(data("aug=none"), 0)
    patches = SyntheticSource("train", 50).read(batch["index"].numpy())
    assert (batch["image"].permute(0, 2, 3, 1).numpy() == patches).all()


@pytest.mark.parametrize("recipe", ["aug=paper", "aug=keras", "aug=dihedral"])
def test_trap_no_result_depends_on_the_number_of_workers(recipe: str) -> None:
    crop = ["crop=random", "crop.size=64"]
    epochs = [
        [epoch_of(data(recipe, *crop, f"data.num_workers={n}"), e) for e in (0, 1)]
        for n in (0, 1, 3)
    ]
    for other in epochs[1:]:
        for a, b in zip(epochs[0], other, strict=True):
            assert all((a[key] == b[key]).all() for key in a)
    first, second = (
        {int(i): image for i, image in zip(e["index"], e["image"], strict=True)} for e in epochs[0]
    )
    both = first.keys() & second.keys()
    assert np.mean([bool((first[i] != second[i]).any()) for i in both]) > 0.8
    assert epochs[0][0]["index"].tolist() != epochs[0][1]["index"].tolist()
    again, other_seed = epoch_of(data(recipe, *crop), 1), epoch_of(data(recipe, *crop, "seed=1"), 1)
    assert (again["image"] == epochs[0][1]["image"]).all()
    assert other_seed["index"].tolist() != again["index"].tolist()


def test_evaluation_is_neither_shuffled_nor_augmented() -> None:
    module = data("aug=paper")
    for split in ("valid", "test"):
        batch = epoch_of(module, 3, split, training=False)
        assert batch["index"].tolist() == list(range(20))
        assert (
            batch["image"].permute(0, 2, 3, 1).numpy()
            == SyntheticSource(split, 20).read(np.arange(20))
        ).all()


def test_each_split_may_have_its_own_crop() -> None:
    module = data("crop=random", "crop.size=48", "crop.test=none")
    shapes = {
        split: epoch_of(module, 0, split, False)["image"].shape[-1]
        for split in ("train", "valid", "test")
    }
    assert shapes == {"train": 48, "valid": 48, "test": 96}
    once, twice = (
        epoch_of(data("crop=random", "crop.valid=random"), e, "valid", False)["image"]
        for e in (0, 5)
    )
    assert (once == twice).all()


def test_limit_draws_by_the_seed_and_keeps_labels_ids_and_masks_together() -> None:
    limited, whole = data("data.limit=7").sources["train"], SyntheticSource("train", 50)
    place = [whole.ids.index(i) for i in limited.ids]
    assert len(limited) == 7
    assert place == sorted(place)
    assert limited.labels.tolist() == whole.labels[place].tolist()
    assert limited.groups == [whole.groups[i] for i in place]
    assert isinstance(limited, MaskedPatchSource)
    assert (limited.masks(np.arange(7)) == whole.masks(np.array(place))).all()
    other = data("data.limit=7", "seed=1").sources
    assert other["train"].ids != limited.ids
    assert (
        other["valid"].ids == data("data.limit=7").sources["valid"].ids
    )  # seeds are evaluated on the same patches


def test_different_data_has_another_fingerprint() -> None:
    prints = {fingerprint(SyntheticSource("train", 50, seed)) for seed in (0, 0, 1)}
    assert len(prints) == 2
    assert fingerprint(SyntheticSource("train", 49)) not in prints


def test_bad_settings_are_errors() -> None:
    with pytest.raises(ConfigError, match="data.limit=0"):
        data("data.limit=0")
    with pytest.raises(ConfigError, match="data.num_workers=-1"):
        data("data.num_workers=-1")
    with pytest.raises(ConfigError, match="data.batch_size=0"):
        data("data.batch_size=0")
    with pytest.raises(ConfigError, match="unknown key data.slide; did you mean .*slides"):
        data("+data.slide=3")


def test_workers_are_a_number_or_chosen_for_the_machine() -> None:
    assert resolve_num_workers(3) == 3
    if not torch.cuda.is_available():
        assert resolve_num_workers("auto") == 0
