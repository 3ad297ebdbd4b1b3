"""Run the cases and print their counts: ``python -m tests.mutations --count 3000``."""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from tests.mutations.cases import GOOD, Mutation, Outcome, Result, choose, count_outcomes
from tests.mutations.runner import Subject, run_cases
from tests.mutations.subjects import subjects

PROGRESS = 200  # cases between two lines
SHOWN = 12  # faults of each kind


def main(words: Sequence[str]) -> int:
    """Run cases; return 1 if any is a traceback, a hang, a crash or silent."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="cases, beside those of keys")
    parser.add_argument("--all", action="store_true", help="every mutation, whatever the count")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="+", choices=sorted(subjects()), help="default: all")
    parser.add_argument("--list", action="store_true", help="show the mutations, run none")
    parser.add_argument("--faults", type=int, default=SHOWN, help="shown per kind")
    options = parser.parse_args(words)
    chosen = [one for name, one in subjects().items() if name in (options.kind or subjects())]
    plan = plan_cases(chosen, options.count, options.seed, options.all)
    if options.list:
        for subject, mutations in plan:
            for mutation in dict.fromkeys(mutations):
                print(f"{subject.name}: {mutation.name}")
        return 0
    results: dict[str, list[tuple[Mutation, Result]]] = {}
    for subject, mutations in plan:
        print(f"{subject.name}: {len(mutations)} cases", file=sys.stderr, flush=True)
        found = run_cases(subject, mutations, options.seed, _show_progress(len(mutations)))
        results[subject.name] = list(zip(mutations, found, strict=True))
    for name, pairs in results.items():
        _print_faults(name, pairs, options.faults)
    print(format_counts(results))
    every = [result for pairs in results.values() for _, result in pairs]
    return int(any(result.outcome not in GOOD for result in every))


def _show_progress(total: int) -> Callable[[int], None]:
    def show(done: int) -> None:
        if done % PROGRESS == 0 or done == total:
            print(f"  {done} of {total}", file=sys.stderr, flush=True)

    return show


def plan_cases(
    chosen: Sequence[Subject], count: int, seed: int, every: bool
) -> list[tuple[Subject, list[Mutation]]]:
    """Return which mutations run: of each kind as many, drawn by the seed; of keys all."""
    files = [one for one in chosen if one.name != "keys"]
    share = count // max(1, len(files))
    plan = []
    for subject in chosen:
        mutations = list(subject.mutations)
        if subject.name != "keys" and not every and len(mutations) > share:
            mutations = random.Random(seed).sample(mutations, share)
        plan.append((subject, choose(mutations, share)))
    return plan


def _print_faults(name: str, pairs: Sequence[tuple[Mutation, Result]], most: int) -> None:
    wrong = [(mutation, result) for mutation, result in pairs if result.outcome not in GOOD]
    if not wrong:
        return
    places = Counter(result.place for _, result in wrong if result.place)
    print(f"\n{name}: {len(wrong)} faults; places of tracebacks: {dict(places.most_common())}")
    for mutation, result in wrong[:most]:
        detail = result.detail.encode("unicode_escape").decode()
        print(f"  {result.outcome.value}: {mutation.name} {result.place}: {detail[:220]}")


def format_counts(results: dict[str, list[tuple[Mutation, Result]]]) -> str:
    """Return a table: one row per kind of input, one column per outcome."""
    head = ["", "cases", *[outcome.value for outcome in Outcome]]
    rows = []
    total: Counter[Outcome] = Counter()
    for name, pairs in results.items():
        counts = count_outcomes([result for _, result in pairs])
        total += counts
        rows.append(_row(name, counts))
    rows.append(_row("all", total))
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, *rows]:
        first, *rest = row
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n" + "\n".join(lines)


def _row(name: str, counts: Counter[Outcome]) -> list[str]:
    return [name, str(sum(counts.values())), *[str(counts[outcome]) for outcome in Outcome]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
