"""Faulty command lines: all faults in one answer, exit status 2, no folder left."""

from pathlib import Path

import pytest

from pcam.config.schema import TrainConfig
from pcam.config.validation import read_train_config, validate
from pcam.errors import ConfigError
from tests.conftest import Terminal
from tests.run import composed_values, run_command

RUN = "run=somewhere"

# command, overrides, what the answer names
FAULTY = [
    (
        "train",
        ["optimizer.lr=-1", "crop.size=200", "trainer.max_epochs=0",
         "model.name=resnt50"],
        ["optimizer.lr=-1 must be at least 0", "crop.size=200", "trainer.max_epochs=0",
         "model.name=resnt50", "resnet50"],
    ),
    ("train", ["lr=-1", "crop.sise=3"], ["lr", "optimizer.lr", "crop.sise", "crop.size"]),
    ("train", ["+optimzer.lr=3", "+nonsense=1"], ["optimzer.lr", "optimizer.lr", "nonsense"]),
    ("train", ["+trainer.limit_val_batches=1", "seed=-1"],
     ["trainer.limit_val_batches", "seed=-1"]),
    (
        "train",
        ["data.batch_size=true", "data.num_workers=-1", "data.limit=0.5"],
        ["data.batch_size=true must be an integer", "data.num_workers=-1", "data.limit=0.5"],
    ),
    (
        "train",
        ["data.num_workers=99999", "trainer.devices=99999", f"data.batch_size={10**23}"],
        ["data.num_workers=99999 must be at most 1024", "trainer.devices=99999 must be at most",
         "must be at most 4294967295"],
    ),
    ("train", ["data.limit=0", "data.duplicates=remove"], ["data.limit=0", "keep, group, drop"]),
    (
        "train",
        ["crop.train=centre", "crop.interpolation=linear"],
        ["did you mean center?", "did you mean bilinear, nearest?"],
    ),
    ("train", ["crop=center", "crop.size=null", "seed=x"], ["crop.size", "seed=x"]),
    ("train", ["aug=keras", "aug.batched=true", "aug.zoom=wide"], ["aug.zoom=wide"]),
    ("train", ["aug=keras", "aug.batched=true", "trainer.ema=1.5"],
     ["aug.batched", "trainer.ema=1.5"]),
    (
        "train",
        ["data.sampler=balanced", "loss.positive_weight=auto", "aug.mixup=-1"],
        ["aug.mixup=-1 must be at least 0"],
    ),
    (
        "train",
        ["data.sampler=balanced", "loss.positive_weight=auto", "data.batch_size=0"],
        ["data.batch_size=0"],
    ),
    (
        "train",
        ["data.sampler=balanced", "loss.positive_weight=auto", "aug=keras", "aug.batched=true"],
        ["loss.positive_weight=auto must be null with data.sampler=balanced", "aug.batched"],
    ),
    ("train", ["aug.name=diheral", "loss.name=mse"], ["dihedral", "loss.name=mse", "bce"]),
    ("train", ["loss.label_smoothing=1", "optimizer.head_lr=nan"], ["label_smoothing", "head_lr"]),
    ("train", ["optimizer.weight_decay=inf", "optimizer.kwargs=3"], ["weight_decay", "kwargs"]),
    ("train", ["optimizer.name=adma", "scheduler.name=onecycel"], ["adam", "onecycle"]),
    ("train", ["scheduler.warmup=1", "scheduler.start=-1"], ["warmup=1", "start=-1"]),
    ("train", ["finetune.name=ful", "finetune.batchnorm=kep"], ["finetune.name=ful", "full"]),
    (
        "train",
        ["finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=5", "trainer.devices=[]"],
        ["trainer.devices=[]"],
    ),
    (
        "train",
        ["finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=5", "seed=1.5"],
        ["unfreeze_epoch=5 must be from 0 to 4", "seed=1.5"],
    ),
    ("train", ["trainer.precision=fp16", "trainer.accelerator=tpu"], ["16-mixed", "tpu", "cpu"]),
    ("train", ["trainer.prune.after=9", "logger.names=[tensorbord]"],
     ["prune.after=9", "tensorboard"]),
    ("train", ["+logger.project=3", "logger.names=wandb"], ["logger.names=wandb must be a list"]),
    (
        "train",
        ["attribution.methods=[salency]", "attribution.patches=25"],
        ["attribution.patches=25 must be at most 24"],
    ),
    ("train", ["attribution.methods=[salency]", "attribution.every=0"], ["attribution.every=0"]),
    ("train", ["model.head.dropout=1", "model.head.pool=max"], ["dropout=1", "avg, flatten"]),
    ("train", ["model.mean=[0.5,0.5]", "model.input_size=0"], ["input_size=0"]),
    ("train", ["+callbacks.x.y=1", "data.train=null"], ["callbacks.x", "data.train=null"]),
    ("train", ["plugins=nosuch", "seed=1.5"], ["plugins=nosuch must be a list", "seed=1.5"]),
    (
        "train",
        ["plugins=[nosuch]", "seed=1.5"],
        ["plugins: nosuch cannot be imported", "seed=1.5"],
    ),
    ("train", ["hydra.run.dir=", "foo"], ["hydra.run.dir is empty", "foo is not an override"]),
    (
        "train",
        ["attribution.methods=[salency]", "attribution.every=-1", "callbacks.x.y=1"],
        ["saliency", "attribution.every=-1", "callbacks.x"],
    ),
    ("train", ["-m", "seed=0,x", "optimizer.lr=0.1,-1"], ["seed=x", "optimizer.lr=-1"]),
    ("evaluate", [RUN, "split=tset", "tta=d8", "resamples=10"],
     ["train, valid, test", "d4", "100"]),
    (
        "attribute",
        [RUN, "methods=[salency]", "steps=0", "patches.pick=best", "+layers=3"],
        ["salency", "saliency", "steps=0", "patches.pick=best", "layers", "layer"],
    ),
    (
        "slide",
        [RUN, "slide=a.svs", "mpp=0", "slide_mpp=250", "tissue=some", "centre=32",
         "stride=20", "+data.limit=3"],
        ["mpp=0 must be at least 0.05", "slide_mpp=250 must be at most 20",
         "tissue=some must be one of otsu, all",
         "stride=20 must divide centre=32, or be larger", "unknown key data.limit"],
    ),
    ("export", ["run=r", "to=tflite", "patches=0", "quantize=int4"],
     ["to=tflite must be onnx", "patches=0", "quantize=int4 must be one of none, int8"]),
    ("bias", ["patches=1", "reach=0", "map.step=0"], ["patches=1", "reach=0", "map.step=0"]),
    ("compare", ["runs=3", "against=0"], ["runs=3", "against=0"]),
    ("report", ["split=train", "resamples=x"], ["runs", "split=train", "resamples=x"]),
    ("prepare", ["audit=maybe", "data.limit=-1", "+adress=x"],
     ["audit=maybe", "limit=-1", "address"]),
]  # fmt: skip


@pytest.mark.parametrize(("command", "overrides", "named"), FAULTY)
def test_all_faults_of_a_command_line_are_in_one_answer(
    command: str,
    overrides: list[str],
    named: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_command(monkeypatch, tmp_path, command, *overrides)
    assert stop.value.code == 2
    answer = capsys.readouterr().err
    for part in named:
        assert part in answer
    assert all(line.startswith("error: ") for line in answer.splitlines())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "word"), [("compare", "runs="), ("slide", "slide=")])
def test_an_empty_value_of_text_or_list_is_one_fault(
    command: str, word: str, terminal: Terminal
) -> None:
    key = word.removesuffix("=")
    line = f"{key}: must be a line of 1 to 4096 printable characters"
    assert line in terminal(command, word).faults
    assert not any(fault.startswith(word) for fault in terminal(command, word).faults)


NEAR_KEYS = {
    "train": ("optimzer.lr", "optimizer.lr"),
    "evaluate": ("resample", "resamples"),
    "predict": ("submitt", "submit"),
    "slide": ("slide_mp", "slide_mpp"),
    "export": ("quantise", "quantize"),
    "ensemble": ("rules", "rule"),
    "compare": ("agianst", "against"),
    "attribute": ("patches.pik", "patches.pick"),
    "bias": ("map.steps", "map.step"),
    "prepare": ("adress", "address"),
    "report": ("titel", "title"),
}


@pytest.mark.parametrize("prefix", ["", "+", "++"])
@pytest.mark.parametrize("command", NEAR_KEYS)
def test_a_key_that_nobody_reads_is_unknown_however_it_is_added(
    command: str, prefix: str, terminal: Terminal
) -> None:
    wrong, near = NEAR_KEYS[command]
    lines = terminal(command, f"{prefix}{wrong}=1", f"{prefix}nonsense=1").faults
    (line,) = [line for line in lines if line.startswith(f"unknown key {wrong}; did you mean ")]
    assert near in line.partition("did you mean ")[2]
    assert any(line.startswith("unknown key nonsense") for line in lines)


def test_unknown_callbacks_and_keys_of_lightning_are_faults_too(terminal: Terminal) -> None:
    words = ["+callbacks.x=1", "+callbacks.y={}", "+trainer.limit_val_batches=1", "+data.y=2"]
    lines = terminal("train", *words).faults
    assert "callbacks.x is not available; available: attribution" in lines
    assert any(line.startswith("unknown key trainer.limit_val_batches; ") for line in lines)
    assert any(line.startswith("unknown key data.y") for line in lines)
    (line,) = terminal("train", "+callbacks.y={}").faults
    assert line == "callbacks.y is not available; available: attribution"
    (line,) = terminal("train", "+callbacks.attribution=1").faults
    assert line.endswith("callback's keys; set them as callbacks.attribution.KEY=VALUE")


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("+data.foo=1", "; keys of data: batch_size, changed, data_seed, "),
        ("splits.foo=1", "; keys of splits: "),
        ("trainer.max_epoch=1", "; did you mean trainer.max_epochs"),
        ("trainer.lr=1", "; did you mean optimizer.lr?"),
        ("hydra.jobb.name=1", "; did you mean hydra.job.name"),
        ("lr=1", "; did you mean optimizer.lr"),
    ],
)
def test_an_unknown_key_is_answered_with_keys_not_sections(
    word: str, end: str, terminal: Terminal
) -> None:
    (line,) = terminal("train", word).faults
    assert end in line


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_unknown_keys_of_hydra_have_near_names(prefix: str, terminal: Terminal) -> None:
    (line,) = terminal("train", f"{prefix}hydra.job.nmae=x").faults
    assert line == "unknown key hydra.job.nmae; did you mean hydra.job.name?"


WANDB_FAULTS = [
    ("logger.project=a/b", "logger.project: a/b must not contain /"),
    ("logger.project=", "logger.project= must be text of at least 1 characters"),
    (f"logger.entity={'x' * 129}", "must be text of at most 128 characters"),
    (f"logger.tags=[a,{'x' * 65}]", "logger.tags.1=xxx"),
    ('logger.tags=[""]', "logger.tags.0= must be text of at least 1 characters"),
]


@pytest.mark.parametrize(("word", "message"), WANDB_FAULTS)
def test_what_wandb_would_refuse_is_a_fault(word: str, message: str, terminal: Terminal) -> None:
    (line,) = terminal("train", "logger=wandb", word).faults
    assert message in line


def test_a_valid_config_reads_back_equal() -> None:
    config = validate(TrainConfig, composed_values())
    assert read_train_config(config.model_dump(mode="json"), "config.yaml") == config


def test_a_config_of_version_0_1_0_is_read() -> None:
    values = validate(TrainConfig, composed_values()).model_dump(mode="json")
    del values["callbacks"], values["plugins"]
    values["data"]["place"] = "law"
    assert read_train_config(values, "config.yaml").callbacks == {}


def test_a_damaged_config_names_its_file_and_keys() -> None:
    values = validate(TrainConfig, composed_values()).model_dump(mode="json")
    del values["loss"]
    values["seed"] = "x"
    with pytest.raises(ConfigError, match=r"F/config.yaml is not valid: .*missing key loss"):
        read_train_config(values, "F/config.yaml")


def test_a_plugin_of_a_run_is_not_imported_unless_the_user_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted_plugin.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    values = validate(TrainConfig, composed_values()).model_dump(mode="json")
    values["plugins"] = ["planted_plugin"]
    with pytest.raises(ConfigError, match=r"add plugins=\[planted_plugin\]"):
        read_train_config(values, "F/config.yaml")
