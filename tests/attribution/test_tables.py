from pcam.attribution.evaluator import RANDOM, TRAINED
from pcam.attribution.tables import against_chance, against_the_bell


def row(measure: str, method: str, network: str, low: float, high: float) -> dict[str, object]:
    return {
        "measure": measure,
        "method": method,
        "network": network,
        "less_chance_low": low,
        "less_chance_high": high,
    }


def test_what_does_not_beat_chance_is_named() -> None:
    rows = [
        row("tumour_share", "saliency", TRAINED, 0.1, 0.2),
        row("tumour_share", "saliency", RANDOM, -0.1, 0.1),
        row("tumour_share", "gradcam", TRAINED, -0.1, 0.1),
        row("tumour_share", "deeplift", TRAINED, -0.3, -0.1),
        row("tumour_share", "deeplift", RANDOM, 0.1, 0.2),
        row("deletion", "saliency", TRAINED, 0.1, 0.2),  # of an area that should be small
        row("deletion", "gradcam", TRAINED, -0.2, -0.1),
        row("insertion", "saliency", TRAINED, 0.1, 0.2),
        row("insertion", "saliency", RANDOM, -0.2, -0.1),
        row("infidelity", "saliency", TRAINED, float("nan"), float("nan")),
        row("tumour_share", "edges", "none", 0.1, 0.2),
        {**row("sensitivity", "saliency", TRAINED, 0.0, 0.0), "chance": None},
    ]
    assert against_chance(rows)[1:] == [
        "  share on tumour: worse: DeepLIFT; not told from it: Grad-CAM; better on random weights too: DeepLIFT",
        "  deletion, area: worse: saliency",
        "  insertion, area: all are better, and none on random weights",
    ]


def test_what_does_no_better_than_a_bell_is_named() -> None:
    def beside(measure: str, method: str, low: float, high: float) -> dict[str, object]:
        return {
            "measure": measure,
            "method": method,
            "network": TRAINED,
            "less_bell_low": low,
            "less_bell_high": high,
        }

    rows = [
        beside("deletion", "saliency", -0.2, -0.1),
        beside("deletion", "gradcam", -0.1, 0.1),
        beside("insertion", "saliency", -0.2, -0.1),
        {**beside("insertion", "gradcam", 0.1, 0.2), "network": RANDOM},
    ]
    assert against_the_bell(rows)[1:] == [
        "  deletion, area: better: saliency; not told from it: Grad-CAM",
        "  insertion, area: worse: saliency",
    ]
