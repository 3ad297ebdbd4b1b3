"""Patches per second of ``pcam.predict`` by each library, on a run's test patches.

python -m benchmarks.engines RUN --rounds 5 --threads 2

All libraries take turns within a round, after a first pass that is not counted. A rate is the
median over rounds, from the source to log-odds, without the start of a process. A ratio is a
library's rate over torch's in the same round, and again the median.
"""

import argparse
import os
import statistics
import time
from functools import partial
from pathlib import Path

from benchmarks.machine import describe_machine

ENGINES = ("torch", "onnxruntime", "openvino")


def main() -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of this process, on as many cores")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # libraries make a thread for each core they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    from pcam.evaluation.inference import predict_source
    from pcam.evaluation.saved_run import crop_for_split, open_run, open_split
    from pcam.exporting.engines import build_engine

    torch.set_num_threads(options.threads)
    run = open_run(options.run)
    data = run.config.data
    source = open_split(data, run.config.splits, run.config.seed, "test")
    crop = crop_for_split(run.config, "test")
    size = source.read([0]).shape[1:3]
    networks = {"torch": None}
    networks |= {name: build_engine(name, run, crop.size_after(size)) for name in ENGINES[1:]}
    score = partial(predict_source, run.model, source, crop, data.batch_size, 0)
    rates: dict[str, list[float]] = {name: [] for name in ENGINES}
    for number in range(options.rounds + 1):
        for name, network in networks.items():
            start = time.perf_counter()
            score(network=network)
            if number:
                rates[name].append(len(source) / (time.perf_counter() - start))
    print(describe_machine(torch.device("cpu")))
    print(f"{run.label}, {len(source):,} patches, {options.threads} threads")
    for name, found in rates.items():
        ratios = [rate / base for rate, base in zip(found, rates["torch"], strict=True)]
        middle, ratio = statistics.median(found), statistics.median(ratios)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name:<12} {middle:6.0f} patches/s, {ratio:.2f} of torch ({spread})")


if __name__ == "__main__":
    main()
