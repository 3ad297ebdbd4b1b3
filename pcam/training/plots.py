"""The figure of training: the study's Figure 2, for any run."""

from collections.abc import Mapping, Sequence

from pcam.runs.figures import BLUE, ORANGE, canvas, clean_axes, png


def curves(rows: Sequence[Mapping[str, str]], title: str, released: int | None = None) -> bytes:
    """Draw loss, accuracy and AUROC by epoch.

    Args:
        rows: of metrics.csv.
        title: of the figure.
        released: the epoch from which the backbone is trained, marked when it is after the first.

    Returns:
        A PNG.
    """
    from matplotlib.ticker import MaxNLocator

    figure = canvas(11, 3.6, 130)
    figure.suptitle(title, fontsize=11)
    panels = (
        ("loss", [("train/loss_epoch", "training"), ("valid/loss", "validation")]),
        ("accuracy", [("train/accuracy", "training"), ("valid/accuracy", "validation")]),
        ("AUROC", [("valid/auroc", "validation")]),
    )
    colors = {"training": BLUE, "validation": ORANGE}
    for axes, (name, lines) in zip(figure.subplots(1, 3), panels, strict=True):
        for column, label in lines:
            points = [
                (int(row["epoch"]) + 1, float(row[column])) for row in rows if row.get(column)
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    marker="o",
                    markersize=3.5,
                    color=colors[label],
                    label=label,
                )
        if released:
            axes.axvline(
                released + 0.5, color="0.5", linestyle=":", linewidth=1, label="backbone released"
            )
        axes.set(
            xlabel="epoch",
            ylabel=name,
            xlim=(0.7, max((int(row["epoch"]) + 1 for row in rows), default=1) + 0.3),
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        clean_axes(axes)
        axes.legend(frameon=False, fontsize=8)
    return png(figure)
