from pcam.attribution.comparisons import compare_with_chance, compare_with_gaussian
from pcam.attribution.measures import NO_NETWORK, RANDOM, TRAINED
from tests.attribution.rows import row, vs_chance, vs_gaussian

NAN = float("nan")


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
