from pcam.attribution.measures import NO_NETWORK, RANDOM, TRAINED
from pcam.attribution.results import Faithfulness
from pcam.attribution.tables import format_faithfulness
from tests.attribution.rows import vs_chance


def test_tables_have_a_row_per_method_and_network_and_chance_at_the_foot() -> None:
    rows = [
        vs_chance("deletion", "saliency", TRAINED, -0.2, -0.1),
        vs_chance("deletion", "saliency", RANDOM, -0.1, 0.1),
        vs_chance("centre_share", "centre_gaussian", NO_NETWORK, 0.1, 0.2),
    ]
    text = format_faithfulness(Faithfulness("resnet18 on pcam, test", 9, rows))
    assert "| saliency                 | 0.500 [0.400, 0.600] |" in text
    assert "| saliency, random weights | 0.500 [0.400, 0.600] |" in text
    assert "| chance                   | 0.300                |" in text
    assert "| Gaussian baseline | 0.500 [0.400, 0.600] (chance 0.300) |" in text
    assert "Gaussian baseline, none: 1 of 9 maps are empty, left out" in text
