"""Train and test a classifier: ``python -m pcam.train model=resnet50 data=pcam data.root=DIR``."""

import contextlib
from pathlib import Path

from pcam import resuming, runs
from pcam.door import Call, door
from pcam.errors import ConfigError, PcamError
from pcam.tables import check
from pcam.training.processes import node_of


@door("train", begins_runs=True)
def main(call: Call) -> float:
    """Train what the config says; return the best checkpoint's valid AUROC, for sweepers."""
    config, folder = call.config, call.folder
    resume = str(config.pop("resume") or "")
    sweep = call.job is not None
    if sweep:
        resume = "auto"  # a sweep that is started again does what is missing
        if (done := resuming.finished(folder, config)) is not None:
            print(f"{folder} ended before: valid AUROC {done:.4f}", flush=True)
            return done
    check(nodes := config["trainer"]["num_nodes"], int, "trainer.num_nodes")
    if nodes > 1 and (sweep or not (call.placed or resume not in ("", "auto"))):
        raise ConfigError(f"trainer.num_nodes={nodes}: all nodes write into one folder, hydra.run.dir=FOLDER; no sweep can")
    first = node_of(config["trainer"]) == 0  # the others write nothing
    outputs = None if sweep or nodes > 1 else Path("outputs")
    earlier = resuming.to_resume(resume, folder, outputs, config) if resume else None
    if earlier is not None:
        folder = earlier
        config = resuming.resumed(runs.read_config(folder), config, map(resuming.key, call.words), folder)
    elif first:
        runs.start(folder, config, anew=resume == "auto")
    try:
        from pcam.training.fit import train  # torch takes seconds to import: what can fail has failed by now

        with runs.held(folder) if first else contextlib.nullcontext():
            summary = train(config, folder, resume=earlier is not None, job=call.job)
    except (PcamError, SystemExit, KeyboardInterrupt):
        if earlier is None and first:
            runs.forget(folder)
        raise
    if not first:
        return float("nan")
    if not sweep:
        words = call.words if resume in ("", "auto") else None  # resume=FOLDER alone does not say what the run was
        print("\nnext:\n" + "\n".join(f"  {line}" for line in resuming.next_commands(folder, config, words)))
    return resuming.objective(summary)


if __name__ == "__main__":
    main()
