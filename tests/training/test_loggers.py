"""Loggers of a user, and wrong settings."""

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

from pcam.config import registry
from pcam.config.base import Section
from pcam.config.registry import register_logger
from pcam.config.schema import TrainConfig
from pcam.config.sections import LoggerConfig
from pcam.errors import ConfigError
from pcam.training.loggers import start_loggers
from tests.conftest import SMALL, TINY
from tests.registries import restored
from tests.run import composed, train


def test_a_user_s_logger_gets_the_final_metrics(tmp_path: Path) -> None:
    with restored(registry.loggers):

        @register_logger("csv_file")
        def csv_file(settings: Section, config: TrainConfig, folder: Path) -> CSVLogger:
            return CSVLogger(folder, name="", version="csv")

        words = [*TINY, *SMALL, "trainer.max_epochs=1", "logger.names=[csv_file]"]
        summary = train(tmp_path, *words)
    text = (tmp_path / "csv" / "metrics.csv").read_text()
    assert "test/auroc" in text
    assert str(summary["test"]["auroc"]["value"]) in text


def test_missing_and_wrong_settings_of_a_logger_are_named(tmp_path: Path) -> None:
    config = composed()
    logger = LoggerConfig(names=["wandb"], project="pcam", table=-1)
    config = config.model_copy(update={"logger": logger})
    with pytest.raises(ConfigError) as caught:
        start_loggers(config, tmp_path)
    assert "logger.table=-1 must be at least 0" in str(caught.value)
    assert "missing key logger.entity" in str(caught.value)
