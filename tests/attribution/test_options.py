import pytest

from pcam.attribution.options import Options
from pcam.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline": "blak"},
        {"steps": 0},
        {"steps": 99, "max_steps": 9},
        {"stride": 8, "window": 4},
        {"noise": 0.0},
        {"seed": -1},
    ],
)
def test_values_out_of_range_are_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
        Options(**wrong)
