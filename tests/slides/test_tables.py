"""What the terminal says about slides."""

import numpy as np

from pcam.slides.agreement import AnnotatedSlide, measure_agreement
from pcam.slides.measures import SlideMeasures
from pcam.slides.tables import format_agreement
from pcam.stats.froc import SlideDetections


def slide_with(*lesions: float) -> AnnotatedSlide:
    """Return an annotated slide of four cells, with lesions that were found at these scores."""
    share = np.array([[0.0, 0.0, 1.0, 1.0]])
    detections = SlideDetections(np.array(lesions), np.array([0.3]))
    measures = SlideMeasures(np.array([0, 0, 1, 1], np.uint8), share, 0.5, detections)
    return AnnotatedSlide(
        np.array([-2.0, -1.0, 1.0, 2.0]), np.linspace(0, 1, 4), share[0], measures
    )


def test_froc_of_a_slide_with_small_lesions_only_is_explained() -> None:
    text = format_agreement(measure_agreement({"a": slide_with()}, 100, 0))
    assert "\n  no lesion is 275 µm or larger, so FROC is not defined\n" in text
    assert "nan" not in text
    assert "FROC score" not in text
    assert "Dice         0.5000" in text


def test_froc_of_a_slide_with_a_lesion_has_all_rates() -> None:
    text = format_agreement(measure_agreement({"a": slide_with(0.9)}, 100, 0))
    assert "FROC score   1.0000" in text
    assert "false positives per slide: 1.000 at 0.25, 1.000 at 0.5," in text
