"""A network with weights of 8 bits, and what they cost."""

import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.special import expit

from pcam.data.base import PatchSource
from pcam.exporting.formats import BATCH, ExportedFile, Probabilities, Scorer, onnx_scorer
from pcam.stats.compare import paired_difference
from pcam.stats.logodds import log_odds
from pcam.stats.metrics import Floats


@dataclass(frozen=True)
class Quantized:
    """An int8 version of an ONNX file.

    Attributes:
        file: of it.
        patches: of valid, on which it is compared with the network.
        difference: of the AUROC, int8 less float32: value, low and high (95 %), and p.
        largest: difference of a patch's probability.
    """

    file: ExportedFile
    patches: int
    difference: dict[str, float]
    largest: float


def quantize_onnx(whole: ExportedFile, valid: PatchSource, logit: Floats) -> Quantized:
    """Quantise the weights of an ONNX file to 8 bits; activations are quantised as they come.

    Args:
        whole: the file in float32.
        valid: N patches with labels.
        logit: (N,), of the network in float32.
    """
    content = _quantize(whole.content)
    score = onnx_scorer(content)
    probability = score_source(score, valid)
    assert valid.labels is not None
    difference = paired_difference(
        log_odds(probability.astype(np.float64)),
        logit,
        valid.labels,
        valid.groups,
        log_odds=True,
        metrics=["auroc"],
    )["auroc"]
    largest = np.abs(expit(logit) - probability).max()
    file = ExportedFile("model.int8.onnx", content, score)
    return Quantized(file, len(valid), difference, float(largest))


def score_source(score: Scorer, source: PatchSource) -> Probabilities:
    """Return the probabilities of all patches of a source, float32 (N,)."""
    parts = []
    for start in range(0, len(source), BATCH):
        indices = np.arange(start, min(start + BATCH, len(source)))
        patches = np.ascontiguousarray(source.read(indices).transpose(0, 3, 1, 2))
        parts.append(score(patches))
    return np.concatenate(parts)


def _quantize(content: bytes) -> bytes:
    """Return an ONNX file with weights of 8 bits; onnxruntime's works on files."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(content)
        logging.disable(logging.WARNING)  # it advises a preparation
        try:
            quantize_dynamic(before, after, weight_type=QuantType.QUInt8)
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()
