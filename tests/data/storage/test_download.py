"""A local server in place of the hosts, with each of their faults."""

import gzip
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pcam.data.storage import transfer as module
from pcam.data.storage.download import download
from pcam.data.storage.transfer import Patience
from pcam.errors import DataError

CONTENT = np.random.default_rng(0).integers(0, 60, 300_000, np.uint8).tobytes()
PACKED = gzip.compress(CONTENT, mtime=0)
QUICK = Patience(tries=4, wait=0.01, timeout=0.5)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Host:
    """Serves one file; ``fault(request, start)`` may answer instead, and then returns True."""

    def __init__(self) -> None:
        self.body, self.fault = PACKED, None
        self.starts: list[int] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(host.body)))
                self.end_headers()

            def do_GET(self) -> None:
                start = int(
                    self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-")
                )
                host.starts.append(start)
                if host.fault is None or not host.fault(self, start):
                    host.send(self, start)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/file.gz"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def send(self, request: BaseHTTPRequestHandler, start: int, stop: int | None = None) -> None:
        """Send the file from ``start``; cut off at ``stop``."""
        if start >= len(self.body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header(
                "Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
            )
        request.send_header("Content-Length", str(len(self.body) - start))
        request.end_headers()
        request.wfile.write(self.body[start:stop])


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.server.shutdown()
    host.server.server_close()


def get(host: Host, target: Path, right: bytes = PACKED, inside: bytes = CONTENT) -> None:
    download(host.url, target, (md5(right),), (md5(inside),), patience=QUICK)


def assert_right(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_arrives_unpacked(host: Host, tmp_path: Path) -> None:
    get(host, tmp_path / "new" / "file")
    assert_right(tmp_path / "new" / "file")
    assert host.starts == [0]


def test_twenty_downloads_each_cut_at_a_random_byte_are_completed(
    host: Host, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    for number in range(20):
        cuts = [int(rng.integers(1, len(PACKED)))]

        def cut(request: BaseHTTPRequestHandler, start: int, cuts: list[int] = cuts) -> bool:
            if cuts:
                host.send(request, start, cuts.pop())
                return True
            return False

        host.fault, host.starts = cut, []
        get(host, tmp_path / f"{number}" / "file")
        assert_right(tmp_path / f"{number}" / "file")
        assert len(host.starts) == 2
        assert host.starts[1] > 0  # what had arrived was not requested again


def test_a_killed_download_is_continued_by_the_next_call(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 1 << 14)
    seen = []

    def killed(self: object, blocks: int) -> None:
        seen.append(blocks)
        if len(seen) == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.tqdm, "update", killed)
        with pytest.raises(KeyboardInterrupt):
            get(host, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    arrived = (tmp_path / "file.part").stat().st_size
    assert 0 < arrived < len(PACKED)
    get(host, tmp_path / "file")
    assert host.starts == [0, arrived]
    assert_right(tmp_path / "file")


def test_a_host_that_ignores_ranges(host: Host, tmp_path: Path) -> None:
    calls = []

    def whole(request: BaseHTTPRequestHandler, start: int) -> bool:
        calls.append(start)
        host.send(request, 0, 50_000 * len(calls) if len(calls) < 3 else None)
        return True

    host.fault = whole
    get(host, tmp_path / "file")
    assert_right(tmp_path / "file")
    assert calls == [0, 50_000, 100_000]


def test_a_silent_host_is_asked_again(host: Host, tmp_path: Path) -> None:
    calls = []

    def slow(request: BaseHTTPRequestHandler, start: int) -> bool:
        calls.append(start)
        if len(calls) > 1:
            return False
        host.send(request, start, 1000)
        threading.Event().wait(1.5)  # longer than the time-out, with the connection open
        return True

    host.fault = slow
    get(host, tmp_path / "file")
    assert_right(tmp_path / "file")
    assert calls == [0, 1000]


def wrong(content: bytes) -> bytes:
    spoilt = bytearray(content)
    spoilt[len(spoilt) // 2] ^= 1
    return bytes(spoilt)


def test_wrong_bytes_are_downloaded_once_more(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(
        wrong(PACKED)[: len(PACKED) * 2 // 3]
    )  # as an earlier call left it
    get(host, tmp_path / "file")
    assert host.starts == [len(PACKED) * 2 // 3, 0]
    assert_right(tmp_path / "file")


@pytest.mark.parametrize(
    "body", [wrong(PACKED), gzip.compress(wrong(CONTENT), mtime=0), b"not gzip at all", PACKED[:-9]]
)
def test_a_wrong_checksum_never_becomes_a_file(body: bytes, host: Host, tmp_path: Path) -> None:
    host.body = body
    with pytest.raises(DataError, match="serves other bytes than the published ones"):
        get(host, tmp_path / "file")
    assert host.starts == [0, 0]
    assert not list(tmp_path.iterdir())


def answer(
    code: int, kind: str = "text/plain", body: bytes = b""
) -> Callable[[BaseHTTPRequestHandler, int], bool]:
    def fault(request: BaseHTTPRequestHandler, start: int) -> bool:
        request.send_response(code)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
        return True

    return fault


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        (answer(404), "answers 404 Not Found", 1),
        (answer(403), "answers 403 Forbidden", 1),
        (
            answer(200, "text/html", b"<html>Quota exceeded</html>"),
            "answers with a web page .*Quota exceeded",
            1,
        ),
        (
            answer(503),
            r"cannot be downloaded \(the host answers 503 Service Unavailable\)",
            QUICK.tries,
        ),
    ],
)
def test_a_host_without_the_file_is_an_error(
    fault: Callable[[BaseHTTPRequestHandler, int], bool],
    message: str,
    requests: int,
    host: Host,
    tmp_path: Path,
) -> None:
    host.fault = fault
    with pytest.raises(DataError, match=message):
        get(host, tmp_path / "file")
    assert len(host.starts) == requests
    assert not (tmp_path / "file").exists()


def test_no_host(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"cannot be downloaded \(.*refused.*\); the same command continues from 0\.0 MB",
    ):
        download("http://127.0.0.1:9/file", tmp_path / "file", (), (), patience=QUICK)


def test_a_complete_part_is_only_decompressed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(PACKED)  # the host answers 416: nothing is left to be sent
    get(host, tmp_path / "file")
    assert host.starts == [len(PACKED)]
    assert_right(tmp_path / "file")


def test_a_part_that_is_longer_than_the_file_is_discarded(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(PACKED + b"more")
    get(host, tmp_path / "file")
    assert host.starts == [len(PACKED) + 4, 0]
    assert_right(tmp_path / "file")


def test_a_disk_that_is_too_small_is_an_error_before_the_first_byte(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"GB free, .* GB are needed"):
        get(host, tmp_path / "file")
    assert not (tmp_path / "file").exists()
