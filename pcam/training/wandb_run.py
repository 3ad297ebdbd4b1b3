"""Runs of Weights & Biases: online if its server answers, else in the run folder for later."""

import logging
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict
from urllib.parse import urlsplit

import wandb

from pcam.config.schema import TrainConfig
from pcam.errors import describe_error
from pcam.runs.files import write_file
from pcam.training.dashboard import WandbConfig
from pcam.training.names import run_group, run_name

log = logging.getLogger(__name__)
CONNECT_SECONDS = 3  # in which the server must answer
START_SECONDS = 20  # in which it must start the run
ID = re.compile(r"[0-9a-z]{8}")
Mode = Literal["online", "offline", "shared", "disabled"]


class RunArguments(TypedDict):
    """The arguments of ``wandb.init``."""

    project: str
    entity: str | None
    group: str | None
    tags: list[str]
    name: str
    dir: Path
    id: str
    resume: Literal["allow"]
    job_type: str
    reinit: Literal["finish_previous"]


def start_run(settings: WandbConfig, config: TrainConfig, folder: Path) -> wandb.Run:
    """Start a run, or continue it; offline if the server cannot be reached.

    Args:
        settings: of the dashboard.
        config: of the run.
        folder: of the run.
    """
    arguments = _run_arguments(settings, config, folder)
    mode, reason = _choose_mode()
    run = None
    if mode == "online":
        run, reason = _try_online(arguments)
    if run is None:
        offline: Mode = "offline" if mode == "online" else mode
        run = wandb.init(**arguments, mode=offline, settings=wandb.Settings(silent=True))
        if offline == "offline":
            log.info(_describe_offline(run, reason))
    return run


def _run_arguments(settings: WandbConfig, config: TrainConfig, folder: Path) -> RunArguments:
    tags = list(settings.tags)
    if config.scale != "full":
        tags.append(config.scale)
    return {
        "project": settings.project,
        "entity": settings.entity,
        "group": settings.group or run_group(folder),
        "tags": tags,
        "name": run_name(config, folder),
        "dir": folder,
        "id": _run_id(folder),
        "resume": "allow",
        "job_type": "train",
        "reinit": "finish_previous",
    }


def _try_online(arguments: RunArguments) -> tuple[wandb.Run | None, str]:
    """Start a run at the server.

    Args:
        arguments: of ``wandb.init``.

    Returns:
        The run and "", or None and why the server has not started it.
    """
    folder = arguments["dir"] / "wandb"
    before = set(folder.glob("run-*"))
    limits = wandb.Settings(init_timeout=START_SECONDS)
    try:
        return wandb.init(**arguments, mode="online", settings=limits), ""
    except wandb.Error as error:  # a wrong key, a proxy's page, a server that stops answering
        wandb.teardown()
        for empty in set(folder.glob("run-*")) - before:
            shutil.rmtree(empty, ignore_errors=True)
        return None, describe_error(error)


def _describe_offline(run: wandb.Run, reason: str) -> str:
    folder = shlex.quote(str(Path(run.dir).parent))
    why = f" ({reason})" if reason else ""
    return f"W&B: offline{why}. Upload later with: wandb sync {folder}"


def _run_id(folder: Path) -> str:
    """Return the run's id at W&B: the same when it is resumed.

    Args:
        folder: the run's, which keeps the id.
    """
    path = folder / "wandb" / "id.txt"
    if path.is_file():
        known = path.read_text("utf-8").strip()
        if ID.fullmatch(known):
            return known
    new = secrets.token_hex(4)
    write_file(path, new)
    return new


def _choose_mode(environment: Mapping[str, str] = os.environ) -> tuple[Mode, str]:
    """Return W&B's mode, and why it is not online.

    An unreachable server would delay the training for minutes.

    Args:
        environment: the variables of the process.
    """
    asked = environment.get("WANDB_MODE", "online")
    if asked != "online":
        return asked, ""  # type: ignore[return-value] # wandb checks it
    host, port = _server(environment)
    has_key = bool(environment.get("WANDB_API_KEY"))
    if not has_key and not _is_in_netrc(host):
        return "offline", "no key: wandb login, or WANDB_API_KEY"
    failure = _connection_failure(host, port)
    if failure:
        return "offline", failure
    return "online", ""


def _server(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and the port of W&B's server.

    Args:
        environment: the variables of the process.
    """
    base = environment.get("WANDB_BASE_URL")
    if not base:
        base = wandb.setup().settings.base_url
    address = urlsplit(base)
    host = address.hostname or ""
    if address.port:
        return host, address.port
    return host, 443 if address.scheme == "https" else 80


def _is_in_netrc(host: str) -> bool:
    import netrc

    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _connection_failure(host: str, port: int) -> str:
    """Return why a host cannot be reached; empty if it can."""
    import socket

    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host} cannot be reached: {error}"
    return ""
