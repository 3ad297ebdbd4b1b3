"""What most commands import, and the synthetic cells that all draw from; see ``tests.forked``."""

import pcam.attribution.run
import pcam.evaluation.evaluate
import pcam.evaluation.plots
import pcam.training.fit
import pcam.training.plots  # noqa: F401
from pcam.data.sources.synthetic.sheets import sheet_bank

for split in range(3):  # train, valid and test
    sheet_bank(split)
