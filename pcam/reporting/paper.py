"""The figures of the study, for comparison.

Its AUROCs are of Kaggle's test set unless a comment says otherwise.
"""

from collections.abc import Collection

# Table 1: VGG-16 on its validation patches. The study does not say which split the AUROC is of.
# One column of the table has an accuracy of 0.9145, the other 0.8891.
TABLE1 = {
    "nll": 0.5159,
    "accuracy": 0.8891,
    "auroc": 0.9333,
    "precision": 0.89,
    "sensitivity": 0.8221,
}
TABLE1_NOTE = (
    "The study's Table 1 has an accuracy of 0.9145 in one column and 0.8891 in the other, "
    "and does not say which split its AUROC is of."
)

# Validation accuracy by network and by what was trained.
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
VOTE = 0.89  # majority vote

TEST_SET_NOTE = (
    "The study's figures are of Kaggle's test set: "
    "they cannot be compared with figures of other patches."
)
RESNET50_NOTE = (
    'The study contradicts itself: its Table 3 gives ResNet-50 "w/ transforms" 0.836, '
    "which its Table 2 gives without augmentation (0.8977 with)."
)


def study_notes(networks: Collection[str]) -> str:
    """Return what to know about the study's AUROCs of some networks.

    Args:
        networks: whose AUROCs are shown.

    Returns:
        Sentences; "" if none is shown.
    """
    if not networks:
        return ""
    if "resnet50" in networks:
        return f"{TEST_SET_NOTE} {RESNET50_NOTE}"
    return TEST_SET_NOTE
