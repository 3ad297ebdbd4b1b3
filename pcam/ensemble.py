"""Several networks as one: ``python -m pcam.ensemble runs=[A,B,C]``."""

from pcam.door import Call, door


@door("ensemble")
def main(call: Call) -> None:
    """Combine predictions by each rule; write those of one."""
    from pcam.evaluation.ensembling import ensemble

    ensemble(call.config, call.folder)


if __name__ == "__main__":
    main()
