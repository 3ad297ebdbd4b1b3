"""What the study reports, to stand beside our figures. Its AUROCs are of Kaggle's test set unless said otherwise."""

from collections.abc import Sequence

# Table 1: VGG-16 on its validation patches. Which split the AUROC belongs to is not said; one column of the table has an
# accuracy of 0.9145, the other 0.8891.
TABLE1 = {
    "nll": 0.5159,
    "accuracy": 0.8891,
    "auroc": 0.9333,
    "precision": 0.89,
    "sensitivity": 0.8221,
}
TABLE1_NOTE = (
    "The study's Table 1 has an accuracy of 0.9145 in one column and 0.8891 in the other, and does not say of which split its "
    "AUROC is."
)

# Validation accuracy by what was trained.
FROZEN = {("vgg16", "frozen"): 0.81, ("vgg16", "full"): 0.91, ("densenet201", "full"): 0.9052}

# Table 2: with and without augmentation.
TABLE2 = {
    "efficientnet_b0": (0.9075, 0.8648),
    "resnet50": (0.8977, 0.836),
    "legacy_xception": (0.8497, 0.8396),
}

# Table 3.
TABLE3 = {
    "efficientnet_b0": 0.9075,
    "resnet50": 0.836,
    "legacy_xception": 0.8497,
    "googlenet": 0.8597,
    "vgg16": 0.8549,
    "densenet201": 0.8219,
}
VOTE = 0.89
SOURCE = "The study's figures are of Kaggle's test set: they do not compare with figures on other patches."
TWICE = (
    'The study contradicts itself: its Table 3 gives ResNet-50 "w/ transforms" 0.836, which its Table 2 gives for no '
    "augmentation (0.8977 with)."
)


def beside(networks: Sequence[str]) -> str:
    """Return what is to be known where the study's AUROCs of some networks are shown; nothing where none is."""
    return " ".join([SOURCE, *([TWICE] if "resnet50" in networks else [])]) if networks else ""
