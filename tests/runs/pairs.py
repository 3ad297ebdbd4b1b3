"""Pairs of runs that differ in one key: identity, compare and report agree on how they relate."""

from pcam.runs.identity import Relation

COMMON = ["aug=dihedral_color", "data=pcam", "data.root=/data"]  # words of both runs

# The second run has this word in addition.
PAIRS = {
    "trainer.ema=0.9": Relation.DIFFERENT,
    "trainer.precision=bf16-mixed": Relation.DIFFERENT,
    "trainer.limit_train_batches=3": Relation.DIFFERENT,
    "trainer.max_epochs=7": Relation.DIFFERENT,
    "optimizer.lr=0.25": Relation.DIFFERENT,
    "aug.hue=0.2": Relation.DIFFERENT,
    "data.limit=64": Relation.DIFFERENT,
    "seed=1": Relation.REPEATS,
    "splits.seed=1": Relation.REPEATS,
    "data.root=/elsewhere": Relation.SAME,
    "data.num_workers=2": Relation.SAME,
    "attribution.every=1": Relation.SAME,
    "logger=tensorboard": Relation.SAME,
    "trainer.progress=false": Relation.SAME,
    "trainer.accelerator=cpu": Relation.SAME,
}
