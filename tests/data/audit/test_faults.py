from itertools import chain

from pcam.data.audit.run import audit
from tests.data.audit.planted import FAULTS, PLANTED, Patches, groups_of, problems


def test_every_kind_of_planted_fault_is_found(
    clean: dict[str, Patches],
) -> None:
    wanted: dict[str, set[tuple[str, int]]] = {name: set() for name in FAULTS}
    for k, (fault, plant) in enumerate(PLANTED.values()):
        for split, row in (("train", 3 * k + 1), ("test", 4 * k + 2)):
            clean[split].pixels[row] = plant(clean[split].pixels[row])
            wanted[fault].add((split, row))
    report = audit(clean)
    for fault, patches in wanted.items():
        seen = set(chain(*groups_of(report, fault)))
        odd = seen ^ patches
        named = {
            name
            for k, name in enumerate(PLANTED)
            if odd & {("train", 3 * k + 1), ("test", 4 * k + 2)}
        }
        assert not named, fault
        assert seen == patches
    assert problems(report) >= FAULTS
    assert not problems(report) & {"near_within", "near_across", "stain", "classes"}
