"""Which differences are more than chance: ``python -m pcam.compare runs=[A,B]``."""

from pcam.door import Call, door


@door("compare")
def main(call: Call) -> None:
    """Test every pair, corrected for their number."""
    from pcam.evaluation.comparing import compare

    compare(call.config, call.folder)


if __name__ == "__main__":
    main()
