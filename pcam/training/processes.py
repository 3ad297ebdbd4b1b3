"""Processes that train together, on this machine and on others."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcam.config.plugins import import_plugins, imported_plugins
from pcam.config.sections import TrainerConfig
from pcam.errors import INTERRUPTED, STOPPED, ConfigError, PcamError
from pcam.runs.allocator import keep_freed_memory
from pcam.runs.screen import keep_going_without_screen
from pcam.training.process_end import start_quiet_tracker, wait_for_all
from pcam.training.signals import forwarded_signals

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

EXPECTED_FAILURE = 2  # exit status of a process whose failure has a message
FIRST_SLURM_PORT = 15000
ROOT_LOGGER = "pcam"


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that train together, as many on each node.

    Attributes:
        local: how many processes this node has.
        nodes: how many nodes there are.
        node: which node this one is, from 0.
        address: of node 0.
        port: that node 0 listens on.
    """

    local: int
    nodes: int
    node: int
    address: str
    port: int

    @property
    def size(self) -> int:
        """How many processes there are in all."""
        return self.local * self.nodes


def node_rank(settings: TrainerConfig, environment: Mapping[str, str] = os.environ) -> int:
    """Return which of several nodes this one is, from 0.

    Args:
        settings: the config's ``trainer``.
        environment: NODE_RANK, or what SLURM sets.

    Raises:
        ConfigError: NODE_RANK (or SLURM's own variable) is not set, or is out of range.
    """
    nodes = settings.num_nodes
    if nodes == 1:
        return 0
    rank = environment.get("NODE_RANK", environment.get("SLURM_NODEID", ""))
    if not rank.isdigit() or int(rank) >= nodes:
        raise ConfigError(
            f"trainer.num_nodes={nodes}: NODE_RANK={rank} in the environment must be from 0 to "
            f"{nodes - 1}"
        )
    return int(rank)


def process_group(
    settings: TrainerConfig, local: int, environment: Mapping[str, str] = os.environ
) -> ProcessGroup:
    """Return the group that this node's processes belong to.

    Args:
        settings: the config's ``trainer``.
        local: processes of this node.
        environment: with several nodes, MASTER_ADDR, MASTER_PORT and NODE_RANK, or what SLURM sets.

    Raises:
        ConfigError: a variable is missing or is not an address.
    """
    nodes = settings.num_nodes
    if nodes == 1:
        port = _free_port() if local > 1 else 0
        return ProcessGroup(local, 1, 0, "127.0.0.1", port)
    address, port_text = _main_address(environment)
    if not address or not port_text.isdigit():
        raise ConfigError(
            f"trainer.num_nodes={nodes}: MASTER_ADDR={address} and MASTER_PORT={port_text} in the "
            "environment must be node 0's address and a free port there"
        )
    return ProcessGroup(local, nodes, node_rank(settings, environment), address, int(port_text))


def _main_address(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return address and port of node 0 as the environment has them.

    Slurm's job gives both, unless they are set.

    Args:
        environment: the variables of the process.

    Returns:
        Address and port; empty where unknown.
    """
    address = environment.get("MASTER_ADDR", "")
    port = environment.get("MASTER_PORT", "")
    if "SLURM_JOB_NODELIST" not in environment:
        return address, port
    if not address:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        nodes = environment["SLURM_JOB_NODELIST"]
        address = SLURMEnvironment.resolve_root_node_address(nodes)
    if not port:  # the same on every node of the job
        port = str(FIRST_SLURM_PORT + int(environment["SLURM_JOB_ID"]) % 1000)
    return address, port


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True)
class _Work:
    """What each process does, and what it takes over from the process that starts it."""

    function: Callable[..., object]
    arguments: tuple[object, ...]
    group: ProcessGroup
    plugins: tuple[str, ...]
    log_level: int


def launch_processes(
    group: ProcessGroup, function: Callable[..., object], *arguments: object
) -> None:
    """Call ``function(*arguments)`` in each of this node's processes, and wait for them.

    The processes are new and are given everything. Lightning would run the command line again
    instead: in a sweep that starts the sweep once more, and each process makes a folder of its own
    (hydra #2070, lightning #11300).

    Raises:
        PcamError: raised by one of them, or one was killed.
        SystemExit: they were stopped.
    """
    from torch.multiprocessing import get_context
    from torch.multiprocessing.spawn import ProcessExitedException, spawn

    # It would report each process that ends
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    level = logging.getLogger(ROOT_LOGGER).getEffectiveLevel()
    work = _Work(function, arguments, group, tuple(imported_plugins()), level)
    start_quiet_tracker()
    messages = get_context("spawn").SimpleQueue()
    try:
        context = spawn(  # type: ignore[no-untyped-call]
            _worker, (work, messages), nprocs=group.local, join=False
        )
        with forwarded_signals(context.pids()):
            wait_for_all(context)
    except ProcessExitedException as error:
        if error.exit_code == EXPECTED_FAILURE and not messages.empty():
            raise messages.get() from None
        if error.exit_code in (1, INTERRUPTED, STOPPED):
            raise SystemExit(error.exit_code) from None
        raise


def _worker(rank: int, work: _Work, messages: "SimpleQueue[PcamError]") -> None:
    """Run in one of a node's processes, which ends with the process that has started it.

    Args:
        rank: number of the process on this node.
        work: what to do.
        messages: takes a ``PcamError``, which ends the process.
    """
    from torch.multiprocessing import _prctl_pr_set_pdeathsig  # type: ignore[attr-defined]

    _prctl_pr_set_pdeathsig(signal.SIGKILL)
    keep_going_without_screen()
    keep_freed_memory()
    _set_environment(rank, work.group)
    first = rank == 0 and work.group.node == 0
    _configure_logging(work.log_level if first else logging.WARNING)
    try:
        import_plugins(work.plugins)
        work.function(*work.arguments)
    except PcamError as error:
        messages.put(error)
        sys.exit(EXPECTED_FAILURE)


def _set_environment(rank: int, group: ProcessGroup) -> None:
    """Set what torch and Lightning read: the process's place, and its share of the cores.

    Args:
        rank: number of the process on this node.
        group: the processes that train together.
    """
    import torch

    os.environ["MASTER_ADDR"] = group.address
    os.environ["MASTER_PORT"] = str(group.port)
    os.environ["NODE_RANK"] = str(group.node)
    os.environ["LOCAL_RANK"] = str(rank)
    os.environ["WORLD_SIZE"] = str(group.size)
    if not torch.cuda.is_available() and "OMP_NUM_THREADS" not in os.environ:
        cores = os.cpu_count() or group.local
        torch.set_num_threads(max(1, cores // group.local))


def _configure_logging(level: int) -> None:
    """Show the package's messages as the first process does: warnings on standard error."""
    messages = logging.StreamHandler(sys.stdout)
    messages.addFilter(lambda record: record.levelno < logging.WARNING)
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    logger = logging.getLogger(ROOT_LOGGER)
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(messages)
    logger.addHandler(warnings)
