"""What a figure was measured on."""

import os
import sys
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> str:
    """Return processor or GPU, cores, load and versions, on one line."""
    name = f"{os.cpu_count()} cores"
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)}, {name}"
    load = os.getloadavg()[0]
    threads = torch.get_num_threads()
    python = sys.version.split()[0]
    return f"{name}, {threads} threads, load {load:.1f}, python {python}, torch {torch.__version__}"


def choose_device(name: str) -> torch.device:
    """Return the device of a name; auto is the first GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def own_memory() -> float:
    """Return the memory of this process without mapped files, MB; NaN where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return float("nan")
    after = status.read_text().partition("RssAnon:")[2]
    return int(after.split()[0]) / 1024
