"""Processes that train together, on this machine and on others."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pcam.errors import ConfigError, PcamError

LINE = 2  # exit status of a process that has told what is wrong
STOPPED = 130  # by ctrl-C


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that train together, as many on each node.

    Attributes:
        local: how many there are on this node.
        nodes: how many nodes there are.
        node: which this one is, from 0.
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


def node_rank(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> int:
    """Return which of ``trainer.num_nodes`` nodes this one is, from 0.

    Raises:
        ConfigError: NODE_RANK (or SLURM's own variable) is not set, or is none of them.
    """
    nodes = settings["num_nodes"]
    if nodes == 1:
        return 0
    told = environment.get("NODE_RANK", environment.get("SLURM_NODEID", ""))
    if not told.isdigit() or int(told) >= nodes:
        raise ConfigError(
            f"trainer.num_nodes={nodes}: NODE_RANK={told} in the environment must be from 0 to {nodes - 1}"
        )
    return int(told)


def process_group(
    settings: Mapping[str, Any], local: int, environment: Mapping[str, str] = os.environ
) -> ProcessGroup:
    """Return the group that ``local`` processes of this node belong to.

    Args:
        settings: the config's ``trainer``.
        local: processes of this node.
        environment: of several nodes, MASTER_ADDR, MASTER_PORT and NODE_RANK, or what SLURM sets.

    Raises:
        ConfigError: a variable is missing or is no address.
    """
    nodes = settings["num_nodes"]
    if nodes == 1:
        return ProcessGroup(local, 1, 0, "127.0.0.1", _free_port() if local > 1 else 0)
    address, port = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT")
    if "SLURM_JOB_NODELIST" in environment:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        address = address or SLURMEnvironment.resolve_root_node_address(
            environment["SLURM_JOB_NODELIST"]
        )
        port = port or str(
            15000 + int(environment["SLURM_JOB_ID"]) % 1000
        )  # the same on every node of the job
    if not address or not (port or "").isdigit():
        raise ConfigError(
            f"trainer.num_nodes={nodes}: MASTER_ADDR={address or ''} and MASTER_PORT={port or ''} in the environment must be "
            "node 0's address and a free port there"
        )
    return ProcessGroup(local, nodes, node_rank(settings, environment), address, int(port or 0))


def launch_processes(group: ProcessGroup, work: Callable[..., Any], *given: Any) -> None:
    """Do ``work(*given)`` in each of this node's processes, and wait for them.

    They are fresh and told everything. Lightning would run today's command line again instead: in a sweep that starts the
    sweep once more, and each process makes a folder of its own (hydra #2070, lightning #11300).

    Raises:
        PcamError: of one of them.
        SystemExit: they were stopped.
    """
    from torch.multiprocessing import get_context
    from torch.multiprocessing.spawn import ProcessExitedException, spawn

    logging.getLogger("torch.multiprocessing.spawn").setLevel(
        logging.ERROR
    )  # it tells of each process that it ends
    lines = get_context("spawn").SimpleQueue()
    try:
        spawn(_worker, (group, lines, work, given), nprocs=group.local)  # type: ignore[no-untyped-call]
    except ProcessExitedException as error:
        if error.exit_code == LINE and not lines.empty():
            raise PcamError(lines.get()) from None
        if error.exit_code in (1, STOPPED):
            raise SystemExit(error.exit_code) from None
        raise


def _worker(
    rank: int, group: ProcessGroup, lines: Any, work: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    """Be one of a node's processes."""
    import torch

    os.environ.update(
        MASTER_ADDR=group.address, MASTER_PORT=str(group.port), NODE_RANK=str(group.node), LOCAL_RANK=str(rank),
        WORLD_SIZE=str(group.size),
    )  # fmt: skip
    if not torch.cuda.is_available() and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or group.local) // group.local))
    if rank or group.node:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
    try:
        work(*given)
    except PcamError as error:
        lines.put(str(error))
        sys.exit(LINE)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
