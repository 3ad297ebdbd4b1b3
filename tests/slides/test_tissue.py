"""Tissue is found on glass, between ink and dirt."""

import numpy as np

from pcam.slides.tissue import find_tissue

MPP = 4.0
GLASS, STROMA = (243, 242, 244), (221, 150, 190)
GREEN, BLACK = (30, 160, 80), (20, 20, 25)


def picture() -> np.ndarray:
    shown = np.empty((300, 400, 3), np.uint8)
    shown[:] = GLASS
    shown[50:250, 50:250] = STROMA
    return shown


def test_tissue_is_separated_from_glass() -> None:
    found = find_tissue(picture(), MPP)
    wanted = np.zeros((300, 400), bool)
    wanted[50:250, 50:250] = True
    assert (found != wanted).sum() < 20  # corners are rounded


def test_ink_and_dirt_are_left_out_and_lumens_are_filled() -> None:
    shown = picture()
    shown[20:40, 20:380] = GREEN
    shown[260:280, 20:380] = BLACK
    shown[100:110, 320:330] = STROMA  # 1,600 square micrometres
    shown[100:130, 100:130] = GLASS  # a lumen of 0.014 mm²
    shown[170:240, 170:240] = GLASS  # a hole of 0.078 mm²
    found = find_tissue(shown, MPP)
    assert not found[:45].any()
    assert not found[255:].any()
    assert not found[:, 300:].any()
    assert found[100:130, 100:130].all()
    assert not found[180:230, 180:230].any()
