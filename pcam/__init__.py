"""Train, measure and explain classifiers of histopathology patches."""

from pathlib import Path

__version__ = "0.1.0"

_package = Path(__file__).parent
# conf/ stands beside the package in a checkout and inside of it in an installed wheel.
CONF = _package / "conf" if (_package / "conf").is_dir() else _package.parent / "conf"
