"""Mutations of any file, whatever is in it: its bytes, and what is in its place."""

import gzip
import os
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.mutations.cases import Accept, Mutation

EDGE = 512  # bytes at both ends, where formats keep their structure


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file; the one before stays where it is linked."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


def file_mutations(name: str, accept: Accept | None = None) -> list[Mutation]:
    """Return the mutations of one file.

    Args:
        name: of the file, relative to the input.
        accept: for those of its bytes.
    """
    found = []
    for change in (_flip, _flip_edge, _cut, _remove, _insert, _zero, _repeat, _swap):
        mutation = Mutation(
            f"{name}: bytes {change.__name__.strip('_')}", _on(name, change), accept, drawn=True
        )
        found.append(mutation)
    for label, content in CONTENTS.items():
        found.append(Mutation(f"{name}: {label}", _constant(name, content)))
    for label, place in PLACES.items():
        found.append(Mutation(f"{name}: {label}", _place(name, place)))
    return found


def _on(
    name: str, change: Callable[[bytearray, random.Random], object]
) -> Callable[[Path, random.Random], object]:
    def apply(folder: Path, draw: random.Random) -> object:
        content = bytearray((folder / name).read_bytes())
        drawn = change(content, draw)
        rewrite(folder / name, lambda _: bytes(content))
        return drawn

    return apply


def _constant(
    name: str, change: Callable[[bytes], bytes]
) -> Callable[[Path, random.Random], object]:
    return lambda folder, draw: rewrite(folder / name, change)


def _place(name: str, change: Callable[[Path], None]) -> Callable[[Path, random.Random], object]:
    def apply(folder: Path, draw: random.Random) -> None:
        change(folder / name)

    return apply


def _flip(content: bytearray, draw: random.Random) -> object:
    places = sorted(draw.randrange(len(content)) for _ in range(draw.choice((1, 1, 2, 8))))
    for place in places:
        content[place] ^= 1 << draw.randrange(8)
    return places


def _flip_edge(content: bytearray, draw: random.Random) -> object:
    place = draw.randrange(min(EDGE * 2, len(content)))
    if place >= EDGE:
        place = -(place - EDGE) - 1
    content[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return place


def _cut(content: bytearray, draw: random.Random) -> object:
    length = draw.randrange(len(content))
    del content[length:]
    return length


def _remove(content: bytearray, draw: random.Random) -> object:
    start, size = draw.randrange(len(content)), draw.choice((1, 7, 100))
    del content[start : start + size]
    return start, size


def _insert(content: bytearray, draw: random.Random) -> object:
    start, size = draw.randrange(len(content)), draw.choice((1, 7, 100))
    content[start:start] = draw.randbytes(size)
    return start, size


def _zero(content: bytearray, draw: random.Random) -> object:
    start = draw.randrange(len(content))
    size = min(draw.choice((1, 16, 512)), len(content) - start)
    content[start : start + size] = bytes(size)
    return start, size


def _repeat(content: bytearray, draw: random.Random) -> object:
    start, size = draw.randrange(len(content)), draw.choice((16, 200))
    content[start:start] = content[start : start + size]
    return start, size


def _swap(content: bytearray, draw: random.Random) -> object:
    half = draw.randrange(1, len(content)) if len(content) > 1 else 0
    content[:] = content[half:] + content[:half]
    return half


CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "a page of HTML": lambda content: b"<html><title>Quota exceeded</title></html>\n",
    "gzipped": gzip.compress,
    "NUL bytes": lambda content: bytes(len(content)),
    "UTF-16": lambda content: content.decode("latin-1").encode("utf-16"),
    "random bytes": lambda content: random.Random(0).randbytes(len(content)),
    "Latin-1 letters": lambda content: content + "é\n".encode("latin-1"),
}


def _to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_socket(path: Path) -> None:
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _link(target: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return change


PLACES: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: path.unlink(),
    "a pipe": _to_pipe,
    "a folder": _to_folder,
    "a socket": _to_socket,
    "a link to /dev/zero": _link("/dev/zero"),
    "a link to /dev/null": _link("/dev/null"),
    "a link to nothing": _link("nothing-is-here"),
    "a link to itself": lambda path: _link(path.name)(path),
    "a link to its folder": _link("."),
    "a link to /proc/self/mem": _link("/proc/self/mem"),
}


def mutations_of(names: Sequence[str], accept: Accept | None = None) -> list[Mutation]:
    """Return the mutations of several files."""
    found = []
    for name in names:
        found += file_mutations(name, accept)
    return found
