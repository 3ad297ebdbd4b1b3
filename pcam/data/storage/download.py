"""Files from the network: whole and checked, or not there at all, whatever happens on the way."""

import errno
import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pcam.errors import DataError

log = logging.getLogger(__name__)
BLOCK = 1 << 20  # bytes read at a time
GZIP = b"\x1f\x8b"
GONE = (400, 401, 403, 404, 410, 451)  # answers that waiting does not change


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        tries: attempts in a row that bring no new byte before giving up.
        wait: seconds before the second attempt; doubled before each further one.
        timeout: seconds without a byte after which a connection counts as lost.
    """

    tries: int = 6
    wait: float = 1.0
    timeout: float = 30.0


class _Stale(Exception):
    """The bytes kept from earlier are not the beginning of what the host serves now."""


def download(
    url: str,
    target: Path,
    served_md5: tuple[str, ...],
    md5: tuple[str, ...],
    size: int = 0,
    patience: Patience | None = None,
) -> str:
    """Get a file; one that is served gzipped is decompressed as it arrives.

    What has arrived is kept beside the target (NAME.part) and is not asked for again, in this call or a later one. The
    target appears only when both checksums hold; bytes that do not hold are asked for once more from the beginning.

    Args:
        url: http or https.
        target: the file wanted, decompressed.
        served_md5: MD5 of the bytes as served; any of these is right; none: not checked.
        md5: MD5 of the file wanted, likewise.
        size: of the file wanted, bytes, as far as known; to know before the start whether the disk has room.
        patience: how long to go on trying.

    Returns:
        The MD5 of the file wanted.

    Raises:
        DataError: the host cannot be reached, does not have it, serves something else; the disk is full.
    """
    part, unpacked = (target.with_name(target.name + ending) for ending in (".part", ".unpacked"))
    target.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, True):
        try:
            found = _arrive(url, part, unpacked, size, patience or Patience())
        except (_Stale, zlib.error):
            found = ("", "")
        if (
            all(
                not known or md5_ in known
                for md5_, known in zip(found, (served_md5, md5), strict=True)
            )
            and found[0]
        ):
            os.replace(unpacked, target)
            part.unlink()
            return found[1]
        part.unlink(missing_ok=True)
        unpacked.unlink(missing_ok=True)
        if not last:
            log.warning("%s arrived with wrong bytes; once more from the beginning", target.name)
    raise DataError(
        f"{url} serves other bytes than the published ones (MD5 {found[0] or 'of no gzip file'}, not "
        f"{' or '.join(served_md5)}); try later, or get {target} elsewhere"
    )


def _arrive(url: str, part: Path, unpacked: Path, size: int, patience: Patience) -> tuple[str, str]:
    """Fetch and decompress; return the MD5 of what was served and of what was in it."""
    outer, inner = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    gunzip: Any = None
    try:
        with unpacked.open("wb") as out:
            for n, block in enumerate(_bytes(url, part, size, patience)):
                if n == 0 and block[:2] == GZIP:
                    gunzip = zlib.decompressobj(wbits=31)
                outer.update(block)
                plain = gunzip.decompress(block) if gunzip else block
                inner.update(plain)
                out.write(plain)
    except OSError as error:
        raise DataError(
            f"{unpacked.parent} cannot be written ({error}); what has arrived is kept; set data.root"
        ) from error
    if gunzip and not gunzip.eof:
        raise _Stale
    return outer.hexdigest(), inner.hexdigest()


def _bytes(url: str, part: Path, size: int, patience: Patience) -> Iterator[bytes]:
    """Yield a file from its beginning: what ``part`` holds, then what the host sends, kept in ``part`` as it comes."""
    done, total, idle = 0, None, 0
    with (
        part.open("a+b") as kept,
        tqdm(unit="B", unit_scale=True, desc=part.stem, disable=None, leave=False) as bar,
    ):
        kept.seek(0)
        while block := kept.read(BLOCK):
            done += len(block)
            bar.update(len(block))
            yield block
        while total is None or done < total:
            before, reason = done, "the connection was closed early"
            try:
                with closing(_ask(url, done, patience.timeout)) as answer:
                    skip, total = _place(answer, done, url)
                    if bar.total is None and total is not None:
                        _room(part.parent, total - done, max(size, total))
                    bar.total = total
                    while block := answer.read1(BLOCK):
                        fresh, skip = block[skip:], max(0, skip - len(block))
                        if fresh:
                            kept.write(fresh)
                            kept.flush()
                            done += len(fresh)
                            bar.update(len(fresh))
                            yield fresh
                if total is None:  # the host did not say how long it is; gzip's own end tells
                    return
            except urllib.error.HTTPError as error:
                if error.code == 416:
                    if error.headers.get("Content-Range", "").rpartition("/")[2] == str(done):
                        return  # nothing is left to be sent
                    raise _Stale from error
                if error.code in GONE:
                    raise DataError(
                        f"{url} answers {error.code} {error.reason}; get {part.stem} elsewhere"
                    ) from error
                reason = f"the host answers {error.code} {error.reason}"
            except (http.client.HTTPException, OSError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                reason = str(getattr(error, "reason", "") or error or type(error).__name__)
            if total is not None and done > total:
                raise _Stale
            if total is None or done < total:
                idle = 0 if done > before else idle + 1
                if idle >= patience.tries:
                    raise DataError(
                        f"{url} cannot be had ({reason}); the same command goes on from {done / 1e6:,.1f} MB"
                    )
                wait = patience.wait * 2 ** max(0, idle - 1)
                log.warning(
                    "%s: %s at %.1f MB; again in %.0f s", part.stem, reason, done / 1e6, wait
                )
                time.sleep(wait)


def _ask(url: str, start: int, timeout: float) -> Any:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    return urllib.request.urlopen(request, timeout=timeout)


def _place(answer: Any, done: int, url: str) -> tuple[int, int | None]:
    """Return how many bytes of an answer to leave out, and the whole file's length where the host says it."""
    if "text/html" in answer.headers.get("Content-Type", ""):
        said = " ".join(answer.read(400).decode(errors="replace").split())[:120]
        raise DataError(
            f"{url} answers with a page in place of the file ({said}); try later, or get it elsewhere"
        )
    length = answer.headers.get("Content-Length")
    if answer.status == 206:
        first, _, total = (
            answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
        )
        if first != str(done):
            raise _Stale
        total = total.rpartition("/")[2]
        return 0, int(total) if total.isdigit() else None
    return done, int(
        length
    ) if length else None  # the host sends all of it again, whatever was asked for


def _room(folder: Path, served: int, size: int) -> None:
    needed, free = served + size, shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed; set data.root"
        )


def length(url: str, timeout: float = 10.0) -> int:
    """Return how many bytes a host would send, 0 where it does not say."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, method="HEAD"), timeout=timeout
        ) as answer:
            return int(answer.headers.get("Content-Length") or 0)
    except (OSError, http.client.HTTPException, ValueError):
        return 0
