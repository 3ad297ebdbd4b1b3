"""What a run's figures depend on beside its config: the code's commit and the libraries."""

import subprocess
from pathlib import Path

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "h5py",
)
DESCRIBE = ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def code_commit() -> str | None:
    """Return the commit of the checkout that this code runs from; None for an installed wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *DESCRIBE]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def library_versions(*others: str) -> dict[str, str]:
    """Return the versions of pcam, Python and the libraries that decide the figures.

    Args:
        others: names of installed packages that do so too.
    """
    import platform
    from importlib import metadata

    from pcam import __version__

    versions = {"pcam": __version__, "python": platform.python_version()}
    for name in (*LIBRARIES, *others):
        versions[name] = metadata.version(name)
    return versions
