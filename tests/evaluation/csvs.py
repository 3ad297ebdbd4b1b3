"""Csv files of predictions."""

from pathlib import Path

GOOD = "id,label,probability,slide\na,0,0.25,s\nb,1,0.75,t\n"


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
