"""What most commands import; see ``tests.forked``."""

import pcam.attribution.run
import pcam.evaluation.evaluate
import pcam.evaluation.plots
import pcam.training.fit
import pcam.training.plots  # noqa: F401
