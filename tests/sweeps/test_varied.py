from pcam.sweeps.varied import format_value, varied_keys
from tests.run import composed


def test_the_choice_of_a_group_represents_its_keys() -> None:
    assert varied_keys([composed(), composed("aug=paper")]) == ["aug.name"]
    assert varied_keys([composed(), composed("seed=1")]) == ["seed"]
    places = [composed("data=pcam"), composed("data=pcam", "data.root=/x", "trainer=cpu")]
    assert varied_keys(places) == []


def test_values_are_short() -> None:
    assert [format_value(value) for value in (0.00012345, 3, "a", None)] == [
        "0.000123",
        "3",
        "a",
        "None",
    ]
