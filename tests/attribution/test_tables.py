from pcam.attribution.measures import NO_NETWORK, RANDOM, TRAINED, Row
from pcam.attribution.results import Faithfulness
from pcam.attribution.tables import (
    compare_with_chance,
    compare_with_gaussian,
    format_faithfulness,
)

NAN = float("nan")


def row(measure: str, method: str, network: str, **values: float | None) -> Row:
    return Row(measure, method, network, value=0.5, low=0.4, high=0.6, patches=8, **values)


def vs_chance(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, chance=0.3, less_chance_low=low, less_chance_high=high)


def vs_gaussian(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, less_gaussian_low=low, less_gaussian_high=high)


def test_methods_that_do_not_beat_chance_are_named() -> None:
    rows = [
        vs_chance("tumour_share", "saliency", TRAINED, 0.1, 0.2),
        vs_chance("tumour_share", "saliency", RANDOM, -0.1, 0.1),
        vs_chance("tumour_share", "gradcam", TRAINED, -0.1, 0.1),
        vs_chance("tumour_share", "deeplift", TRAINED, -0.3, -0.1),
        vs_chance("tumour_share", "deeplift", RANDOM, 0.1, 0.2),
        vs_chance("deletion", "saliency", TRAINED, 0.1, 0.2),  # a small area is better
        vs_chance("deletion", "gradcam", TRAINED, -0.2, -0.1),
        vs_chance("insertion", "saliency", TRAINED, 0.1, 0.2),
        vs_chance("insertion", "saliency", RANDOM, -0.2, -0.1),
        vs_chance("infidelity", "saliency", TRAINED, NAN, NAN),
        vs_chance("tumour_share", "edges", NO_NETWORK, 0.1, 0.2),
        row("sensitivity", "saliency", TRAINED),
    ]
    assert compare_with_chance(rows)[1:] == [
        "  share on tumour: worse: DeepLIFT; not different: Grad-CAM; better on random weights "
        "too: DeepLIFT",
        "  deletion, area: worse: saliency",
        "  insertion, area: all are better, and none on random weights",
    ]


def test_methods_that_do_not_beat_the_gaussian_are_named() -> None:
    rows = [
        vs_gaussian("deletion", "saliency", TRAINED, -0.2, -0.1),
        vs_gaussian("deletion", "gradcam", TRAINED, -0.1, 0.1),
        vs_gaussian("insertion", "saliency", TRAINED, -0.2, -0.1),
        vs_gaussian("insertion", "gradcam", RANDOM, 0.1, 0.2),
    ]
    assert compare_with_gaussian(rows)[1:] == [
        "  deletion, area: better: saliency; not different: Grad-CAM",
        "  insertion, area: worse: saliency",
    ]


def test_tables_have_a_row_per_method_and_network_and_chance_at_the_foot() -> None:
    rows = [
        vs_chance("deletion", "saliency", TRAINED, -0.2, -0.1),
        vs_chance("deletion", "saliency", RANDOM, -0.1, 0.1),
        vs_chance("centre_share", "centre_gaussian", NO_NETWORK, 0.1, 0.2),
    ]
    text = format_faithfulness(Faithfulness("resnet18 on pcam, test", 9, rows))
    assert text.startswith("resnet18 on pcam, test")
    assert "| saliency                 | 0.500 [0.400, 0.600] |" in text
    assert "| saliency, random weights | 0.500 [0.400, 0.600] |" in text
    assert "| chance                   | 0.300                |" in text
    assert "| Gaussian baseline | 0.500 [0.400, 0.600] (chance 0.300) |" in text
    assert "Gaussian baseline, none: 1 of 9 maps are empty, left out" in text
