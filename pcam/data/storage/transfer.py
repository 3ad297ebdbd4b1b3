"""The transfer of one file over HTTP, continued over lost connections and from earlier attempts."""

import errno
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tqdm import tqdm

from pcam.data.storage.space import require_space
from pcam.errors import DataError

log = logging.getLogger(__name__)
BLOCK = 1 << 20  # bytes read at a time
GONE = (400, 401, 403, 404, 410, 451)  # HTTP statuses that waiting does not change
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class Patience:
    """How long to keep trying.

    Attributes:
        tries: attempts in a row without a new byte before giving up.
        wait: seconds before the second attempt; doubled before each further one.
        timeout: seconds without a byte after which a connection counts as lost.
    """

    tries: int = 6
    wait: float = 1.0
    timeout: float = 30.0


class StaleError(Exception):
    """The bytes kept from earlier do not belong to the file that the host serves now."""


class _Response(Protocol):
    """What is used of the response of urllib."""

    status: int
    headers: http.client.HTTPMessage

    def read(self, size: int = -1, /) -> bytes: ...
    def read1(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


class Transfer:
    """The transfer of one file, continued over lost connections.

    Args:
        url: of the file.
        part: where the bytes are kept as they arrive.
        size: of the decompressed file, as far as known.
        patience: how long to keep trying.
    """

    def __init__(self, url: str, part: Path, size: int, patience: Patience) -> None:
        self.url = url
        self.part = part
        self.size = size
        self.patience = patience
        self.done = 0  # bytes so far
        self.total: int | None = None  # bytes of the file, once the host has said it
        self.complete = False
        self.bar = tqdm(unit="B", unit_scale=True, desc=part.stem, disable=None, leave=False)

    def blocks(self) -> Iterator[bytes]:
        """Yield the file from its start: what was kept, then what the host sends.

        Raises:
            DataError: the host does not have the file, or too many attempts brought nothing.
            StaleError: what was kept is not the start of the host's file.
            OSError: the disk is full.
        """
        with self.part.open("a+b") as kept, self.bar:
            yield from self._kept_blocks(kept)
            idle = 0
            while not self.complete:
                before = self.done
                reason = "the connection was closed early"
                try:
                    yield from self._received_blocks(kept)
                except urllib.error.HTTPError as error:
                    reason = self._explain_status(error)
                except (http.client.HTTPException, OSError) as error:
                    if _disk_is_full(error):
                        raise
                    reason = str(getattr(error, "reason", "") or error or type(error).__name__)
                self._check_length()
                if not self.complete:
                    idle = 0 if self.done > before else idle + 1
                    self._wait(idle, reason)

    def _kept_blocks(self, kept: BinaryIO) -> Iterator[bytes]:
        kept.seek(0)
        while block := kept.read(BLOCK):
            self._count(block)
            yield block

    def _received_blocks(self, kept: BinaryIO) -> Iterator[bytes]:
        """Yield what one connection brings."""
        with closing(_request(self.url, self.done, self.patience.timeout)) as response:
            skip, self.total = _interpret_headers(response, self.done, self.url)
            if self.bar.total is None and self.total is not None:
                needed = self.total - self.done + max(self.size, self.total)
                require_space(self.part.parent, needed, "(set data.root)")
            self.bar.total = self.total
            while block := response.read1(BLOCK):
                fresh = block[skip:]
                skip = max(0, skip - len(block))
                if fresh:
                    kept.write(fresh)
                    kept.flush()
                    self._count(fresh)
                    yield fresh
        if self.total is None:  # the host does not say the length; the end of the gzip file does
            self.complete = True

    def _count(self, block: bytes) -> None:
        self.done += len(block)
        self.bar.update(len(block))

    def _check_length(self) -> None:
        """Note whether the file is complete.

        Raises:
            StaleError: there are more bytes than the file has.
        """
        if self.total is None:
            return
        if self.done > self.total:
            raise StaleError
        if self.done == self.total:
            self.complete = True

    def _explain_status(self, error: urllib.error.HTTPError) -> str:
        """Return the reason to try again that an HTTP status gives.

        Raises:
            DataError: trying again would not help.
            StaleError: the host's file is shorter than what was kept.
        """
        if error.code == RANGE_NOT_SATISFIABLE:
            length = error.headers.get("Content-Range", "").rpartition("/")[2]
            if length != str(self.done):
                raise StaleError from error
            self.complete = True
            return "nothing is left to send"
        if error.code in GONE:
            raise DataError(
                f"{self.url} answers {error.code} {error.reason}; get {self.part.stem} elsewhere"
            ) from error
        return f"the host answers {error.code} {error.reason}"

    def _wait(self, idle: int, reason: str) -> None:
        """Wait before the next attempt.

        Raises:
            DataError: too many attempts brought nothing.
        """
        megabytes = self.done / 1e6
        if idle >= self.patience.tries:
            raise DataError(
                f"{self.url} cannot be downloaded ({reason}); the same command continues from"
                f" {megabytes:,.1f} MB"
            )
        wait = self.patience.wait * 2 ** max(0, idle - 1)
        log.warning(
            "%s: %s at %.1f MB; next attempt in %.0f s", self.part.stem, reason, megabytes, wait
        )
        time.sleep(wait)


def _disk_is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _request(url: str, start: int, timeout: float) -> _Response:
    headers = {"Range": f"bytes={start}-"} if start else {}
    request = urllib.request.Request(url, headers=headers)
    response: _Response = urllib.request.urlopen(request, timeout=timeout)
    return response


def _interpret_headers(response: _Response, done: int, url: str) -> tuple[int, int | None]:
    """Return how many bytes of a response to skip, and the file's length where the host says it.

    Raises:
        DataError: the host sends a web page.
        StaleError: the host sends another part than the one requested.
    """
    if "text/html" in response.headers.get("Content-Type", ""):
        text = " ".join(response.read(400).decode(errors="replace").split())[:120]
        raise DataError(
            f"{url} answers with a web page instead of the file ({text}); try later, or get it"
            " elsewhere"
        )
    if response.status == PARTIAL_CONTENT:
        content_range = response.headers.get("Content-Range", "").removeprefix("bytes ")
        first, _, rest = content_range.partition("-")
        if first != str(done):
            raise StaleError
        total = rest.rpartition("/")[2]
        return 0, int(total) if total.isdigit() else None
    # the host sends the whole file, whatever was requested
    length = response.headers.get("Content-Length")
    return done, int(length) if length else None


def content_length(url: str, timeout: float = 10.0) -> int:
    """Return how many bytes a host would send; 0 where it does not say."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return int(response.headers.get("Content-Length") or 0)
    except (OSError, http.client.HTTPException, ValueError):
        return 0
