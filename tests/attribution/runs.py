"""Attribution of a run in this process, without Hydra's command line."""

from pathlib import Path

from pcam.attribution.results import Attribution
from pcam.attribution.run import explain_run
from pcam.config.schema import AttributeConfig
from pcam.config.validation import validate
from tests.run import composed_values

FEW_STEPS = ["samples=4", "steps=8", "max_steps=64", "window=16", "stride=16", "patches.n=2"]


def attribute_config(run: Path, *overrides: str) -> AttributeConfig:
    values = composed_values(f"run={run}", *overrides, command="attribute")
    return validate(AttributeConfig, values)


def explain(run: Path, *overrides: str) -> Attribution:
    return explain_run(attribute_config(run, *FEW_STEPS, *overrides))
