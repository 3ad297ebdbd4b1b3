"""What a command shows on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for work that tells (split, patches done, patches in all)."""
    with tqdm(unit="patch", desc=what, disable=None, leave=False) as bar:

        def told(split: str, done: int, size: int) -> None:
            if bar.total != size or done < bar.n:
                bar.reset(size)
                bar.set_description(f"{what}: {split}")
            bar.update(done - bar.n)

        yield told
