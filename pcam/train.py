"""Train and test a classifier: ``python -m pcam.train model=resnet50 data=pcam data.root=DIR``."""

from pathlib import Path

from pcam import resuming, runs
from pcam.door import Call, door
from pcam.errors import PcamError


@door("train", begins_runs=True)
def main(call: Call) -> float:
    """Train what the config says; return the best checkpoint's valid AUROC, for sweepers."""
    config, folder = call.config, call.folder
    resume = str(config.pop("resume") or "")
    if call.sweep:
        resume = "auto"  # a sweep that is started again does what is missing
        if (done := resuming.finished(folder, config)) is not None:
            print(f"{folder} ended before: valid AUROC {done:.4f}", flush=True)
            return done
    outputs = None if call.sweep else Path("outputs")
    earlier = resuming.to_resume(resume, folder, outputs, config) if resume else None
    if earlier is None:
        runs.start(folder, config, anew=resume == "auto")
    else:
        folder = earlier
        config = resuming.resumed(runs.read_config(folder), config, map(resuming.key, call.words), folder)
    try:
        from pcam.training import train  # torch takes seconds to import: what can fail has failed by now

        with runs.held(folder):
            summary = train(config, folder, resume=earlier is not None, single=call.sweep)
    except (PcamError, SystemExit, KeyboardInterrupt):
        if earlier is None:
            runs.forget(folder)
        raise
    if not call.sweep:
        print("\nnext:\n" + "\n".join(f"  {line}" for line in resuming.next_commands(folder, config, call.words)))
    return resuming.objective(summary)


if __name__ == "__main__":
    main()
