import pytest

from pcam.models.freezing import FreezePlan, build_plan, read_finetune
from tests.run import composed


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (["finetune=full"], FreezePlan(0, False)),
        (["finetune=full", "finetune.batchnorm=kept"], FreezePlan(0, True)),
        (["finetune=frozen"], FreezePlan(None, True)),
        (["finetune=frozen_then_unfrozen"], FreezePlan(5, False)),
        (["finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=2"], FreezePlan(2, False)),
    ],
)
def test_the_plan_of_each_choice(choice: list[str], expected: FreezePlan) -> None:
    section = composed(*choice, "trainer.max_epochs=10").finetune
    assert build_plan(section, epochs=10) == expected
    assert read_finetune(section.model_dump()) == section


def test_what_is_frozen_depends_on_the_epoch_alone() -> None:
    assert [FreezePlan(2, False).frozen(epoch) for epoch in range(4)] == [True, True, False, False]
    assert FreezePlan(None, True).always_frozen
    assert not FreezePlan(0, False).ever_frozen
