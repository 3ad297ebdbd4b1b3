from pcam.training.plots import count_epochs, decode_png, plot_curves

ROWS = [
    {"epoch": "0", "train/loss_epoch": "0.7", "valid/loss": "0.6", "valid/auroc": ""},
    {"epoch": "1", "train/loss_epoch": "0.5", "valid/loss": "0.6", "valid/auroc": "0.9"},
]


def test_curves_are_drawn_also_where_a_value_is_missing() -> None:
    plain = decode_png(plot_curves(ROWS, "a run"))
    marked = decode_png(plot_curves(ROWS, "a run", unfreeze_epoch=1))
    assert plain.shape == marked.shape == (468, 1430, 3)
    assert (plain != marked).any()
    assert count_epochs(ROWS) == 2
    assert decode_png(plot_curves([], "no epochs")).shape == plain.shape
