"""Every YAML of conf/ can be chosen, and builds what it names."""

def choices() -> list[str]:
    return sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml"))


@pytest.mark.parametrize("choice", choices())
def test_every_choice_composes_and_builds(
    choice: str, tmp_path: Path, pcam_root: Path, kaggle_root: Path, folder_root: Path
) -> None:
    from pcam.models.schedules import build_optimizer, build_scheduler
    from pcam.training import loggers
    from pcam.training.callbacks import build_callbacks
    from pcam.training.fit import classifier
    from pcam.training.processes import process_group
    from pcam.training.trainer import build_trainer, devices, processes
    from tests.run import composed

    roots = {"data=pcam": pcam_root, "data=kaggle": kaggle_root, "data=folder": folder_root}
    extra = [f"data.root={roots[choice]}"] if choice in roots else []
    if choice.startswith("splits="):
        extra = [*SMALL]  # a split that is made here looks at every patch
    if choice == "splits=file":
        (tmp_path / "splits.csv").write_text("id,split\ntrain-000001,train\ntrain-000002,valid\n")
        extra += [f"splits.file={tmp_path / 'splits.csv'}", "data.batch_size=1"]
    if choice == "trainer=gpu":
        extra = ["trainer.accelerator=cpu"]
    config = composed(choice, *extra)
    group = choice.partition("=")[0]
    if group in ("data", "splits", "crop", "aug"):
        from pcam.data.datamodule import PatchDataModule

        data = PatchDataModule(config["data"], config["splits"], config["crop"], config["aug"], 0)
        batch = next(iter(data.train_dataloader()))
        assert batch["image"].shape[1] == 3
        return
    if group != "model":
        config["model"] |= {"name": "test_resnet", "input_size": 32}
    elif choice in ("model=efficientnet_b7", "model=densenet201"):
        return  # tests/models/test_network.py builds the study's networks
    model = classifier(config)
    if group in ("optimizer", "scheduler"):
        optimizer = build_optimizer(
            model.network.backbone.parameters(),
            model.network.head.parameters(),
            **config["optimizer"],
        )
        schedule, _ = build_scheduler(optimizer, config["scheduler"], 10)
        rates = []
        for _ in range(10):
            rates.append(optimizer.param_groups[1]["lr"])
            optimizer.step()
            schedule.step()
        assert 0 < max(rates) <= config["optimizer"]["head_lr"]
        assert min(rates) >= 0
    if group == "trainer":
        settings = {**config["trainer"], "devices": devices(config["trainer"], job=0)}
        group = process_group(settings, processes(settings))
        assert build_trainer(
            settings, tmp_path, group, build_callbacks(settings, tmp_path), model.plan
        )
    if group == "logger" and choice != "logger=wandb":
        assert len(loggers.start_loggers(config, tmp_path)) == len(config["logger"]["names"])


def test_every_choice_is_tried() -> None:
    assert {"model=xception", "aug=keras", "trainer=ddp", "finetune=frozen", "data=kaggle"} <= set(
        choices()
    )
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose("train").seed == 0


