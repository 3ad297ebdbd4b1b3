"""What figures rest on: the code's commit and the versions of libraries."""

from pathlib import Path


def code_commit() -> str | None:
    """Return the commit of the checkout that this code runs from; None for an installed wheel."""
    import subprocess

    top = Path(__file__).parents[2]
    if not (top / ".git").exists():
        return None
    try:
        asked = subprocess.run(
            ["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def library_versions() -> dict[str, str]:
    """Return the versions of what the figures depend on."""
    import platform
    from importlib import metadata

    from pcam import __version__

    names = (
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "albumentations",
        "opencv-python-headless",
        "numpy",
        "h5py",
    )
    return {
        "pcam": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names},
    }
