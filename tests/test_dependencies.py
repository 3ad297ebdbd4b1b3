"""Versions that the project accepts: none that is known to be unsafe, and those that are tested."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# Package, an affected version (the last one where a range is affected), and the advisory.
UNSAFE = [
    ("lightning", "2.6.2", "GHSA-w37p-236h-pfx3: a malicious upload"),
    ("lightning", "2.6.3", "GHSA-w37p-236h-pfx3: a malicious upload"),
    ("torch", "2.5.1", "CVE-2025-32434: torch.load(weights_only=True) executes code"),
    ("pillow", "10.2.0", "CVE-2024-28219: a buffer overflow"),
    ("jinja2", "3.1.5", "CVE-2025-27516: a way out of the sandbox"),
    ("tqdm", "4.66.2", "CVE-2024-34062: arguments of its command line are executed"),
    ("pyyaml", "5.3.1", "CVE-2020-14343: a loader executes code"),
    ("pydantic", "2.3.0", "CVE-2024-3772: a slow regular expression"),
    ("opencv-python-headless", "4.8.0.76", "CVE-2023-4863: libwebp's buffer overflow"),
]


def requirements() -> dict[str, Requirement]:
    """Return what pyproject.toml requires, extras included, by the package's name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += extra
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found if one.name != project["name"]}


def pinned_versions() -> dict[str, str]:
    """Return the version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if re.match(r"[A-Za-z]", line)]
    return {canonicalize_name(name): version.split()[0] for name, version in pins}


@pytest.mark.parametrize(("package", "version", "advisory"), UNSAFE)
def test_a_version_with_a_known_fault_is_not_accepted(
    package: str, version: str, advisory: str
) -> None:
    accepted = requirements()[package].specifier
    assert not accepted.contains(version), f"{package} {version}: {advisory}"


def test_the_tested_versions_are_accepted() -> None:
    pins = pinned_versions()
    for name, requirement in requirements().items():
        assert name in pins, f"constraints.txt has no version of {name}"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]}"


def test_a_wheel_that_goes_with_no_torchvision_is_not_accepted() -> None:
    assert not requirements()["torch"].specifier.contains("2.13.0")
