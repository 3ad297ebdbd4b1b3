"""W&B's offline files, read back."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wandb
from wandb.proto import wandb_internal_pb2

BLOCK, HEAD, FIRST, LAST = 32768, 7, (1, 2), (1, 4)


def read_records(path: Path) -> Iterator[bytes]:
    """Read W&B's file, which is a LevelDB log.

    It has blocks of records, each with checksum, length and whether it starts or ends there.
    """
    data, place, parts = path.read_bytes(), HEAD, b""
    while place + HEAD <= len(data):
        if BLOCK - place % BLOCK < HEAD:
            place += BLOCK - place % BLOCK
        _, length, kind = struct.unpack("<IHB", data[place : place + HEAD])
        part = data[place + HEAD : place + HEAD + length]
        parts = part if kind in FIRST else parts + part
        place += HEAD + length
        if kind in LAST:
            yield parts


@dataclass
class OfflineRun:
    """What W&B keeps of an offline run."""

    name: str = ""
    group: str = ""
    id: str = ""
    tags: list[str] = field(default_factory=list)
    exit: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    artifacts: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, record: Any) -> None:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self.name, self.group = record.run.display_name, record.run.run_group
            self.id, self.tags = record.run.run_id, list(record.run.tags)
            self._add_config(record.run.config)
        elif kind == "config":
            self._add_config(record.config)
        elif kind == "exit":
            self.exit = record.exit.exit_code
        elif kind == "history":
            self.logged |= {one.key or one.nested_key[0] for one in record.history.item}
        elif kind == "summary":
            for one in record.summary.update:
                self._add_summary(list(one.nested_key) or [one.key], json.loads(one.value_json))
        elif kind == "artifact":
            self.artifacts[record.artifact.name] = list(record.artifact.manifest.contents)

    def _add_config(self, config: Any) -> None:
        for one in config.update:
            self.config[one.key] = json.loads(one.value_json)

    def _add_summary(self, keys: list[str], value: object) -> None:
        place = self.summary
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value


def read_offline(folder: Path) -> list[OfflineRun]:
    """Return the offline runs below a folder."""
    wandb.teardown()  # writes everything
    runs = []
    for path in sorted(folder.rglob("run-*.wandb")):
        run = OfflineRun()
        for data in read_records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            run.add(record)
        runs.append(run)
    return runs
