"""Train and test a classifier: ``python -m pcam.train model=resnet50 data=pcam data.root=DIR``."""

import contextlib
from pathlib import Path

from pcam.cli.command import Invocation, command
from pcam.config.tables import check
from pcam.errors import ConfigError, PcamError
from pcam.runs.folder import discard_run, read_config, start_run
from pcam.runs.lock import lock_run
from pcam.runs.resume import (
    find_run_to_resume,
    finished_objective,
    next_commands,
    override_key,
    resume_config,
    sweep_objective,
)
from pcam.training.processes import node_rank


@command("train", begins_runs=True)
def main(call: Invocation) -> float:
    """Train what the config says; return the best checkpoint's valid AUROC, for sweepers."""
    config, folder = call.config, call.folder
    resume = str(config.pop("resume") or "")
    sweep = call.job is not None
    if sweep:
        resume = "auto"  # a sweep that is started again does what is missing
        if (done := finished_objective(folder, config)) is not None:
            print(f"{folder} ended before: valid AUROC {done:.4f}", flush=True)
            return done
    check(nodes := config["trainer"]["num_nodes"], int, "trainer.num_nodes")
    if nodes > 1 and (sweep or not (call.placed or resume not in ("", "auto"))):
        raise ConfigError(
            f"trainer.num_nodes={nodes}: all nodes write into one folder, hydra.run.dir=FOLDER; no sweep can"
        )
    first = node_rank(config["trainer"]) == 0  # the others write nothing
    outputs = None if sweep or nodes > 1 else Path("outputs")
    earlier = find_run_to_resume(resume, folder, outputs, config) if resume else None
    if earlier is not None:
        folder = earlier
        config = resume_config(read_config(folder), config, map(override_key, call.words), folder)
    elif first:
        start_run(folder, config, anew=resume == "auto")
    try:
        from pcam.training.fit import (
            train,  # torch takes seconds to import: what can fail has failed by now
        )

        with lock_run(folder) if first else contextlib.nullcontext():
            summary = train(config, folder, resume=earlier is not None, job=call.job)
    except (PcamError, SystemExit, KeyboardInterrupt):
        if earlier is None and first:
            discard_run(folder)
        raise
    if not first:
        return float("nan")
    if not sweep:
        words = (
            call.words if resume in ("", "auto") else None
        )  # resume=FOLDER alone does not say what the run was
        print("\nnext:\n" + "\n".join(f"  {line}" for line in next_commands(folder, config, words)))
    return sweep_objective(summary)


if __name__ == "__main__":
    main()
