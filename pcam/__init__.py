"""Train, evaluate and explain classifiers of histopathology patches.

The public Python API is what ``__all__`` lists. Everything in it is imported at its first use, so
that ``import pcam`` stays quick.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

__version__ = "0.3.0.dev0"

_package = Path(__file__).parent
# conf/ is beside the package in a checkout and inside it in an installed wheel.
CONF = _package / "conf" if (_package / "conf").is_dir() else _package.parent / "conf"

__all__ = [
    "AccessError",
    "ConfigError",
    "DataError",
    "Explanation",
    "PcamError",
    "Run",
    "RunError",
    "WeightsError",
    "__version__",
    "load_run",
    "register_augmentation",
    "register_backbone",
    "register_callback",
    "register_logger",
    "register_loss",
    "register_method",
    "register_metric",
    "register_optimizer",
    "register_scheduler",
    "register_source",
]

if TYPE_CHECKING:
    from pcam.api.run import Explanation, Run, load_run
    from pcam.config.registry import (
        register_augmentation,
        register_backbone,
        register_callback,
        register_logger,
        register_loss,
        register_method,
        register_metric,
        register_optimizer,
        register_scheduler,
        register_source,
    )
    from pcam.errors import (
        AccessError,
        ConfigError,
        DataError,
        PcamError,
        RunError,
        WeightsError,
    )

_MODULES = {
    "Explanation": "pcam.api.run",
    "Run": "pcam.api.run",
    "load_run": "pcam.api.run",
    "AccessError": "pcam.errors",
    "ConfigError": "pcam.errors",
    "DataError": "pcam.errors",
    "PcamError": "pcam.errors",
    "RunError": "pcam.errors",
    "WeightsError": "pcam.errors",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    if name in __all__ and name.startswith("register_"):
        return getattr(import_module("pcam.config.registry"), name)
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'pcam' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
