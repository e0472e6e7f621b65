"""The Lua script that wrk runs, run by wrk against a real listener."""

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.errors import BenchError
from bench.load.wrk import Sender, build_script, run_sends
from bench.machine import choose_cores

SENDERS = [Sender("!a:localhost", 'to"ken-1'), Sender("!b:localhost", "token-2")]


class Recorder(BaseHTTPRequestHandler):
    """Answers PUTs with `status` and keeps their path and token."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str | None]]
    status = 200

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((self.path, self.headers["Authorization"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def recorder() -> type[Recorder]:
    return type("FreshRecorder", (Recorder,), {"seen": []})


def send_for_a_second(recorder: type[Recorder]) -> float:
    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer(("127.0.0.1", 0), recorder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            core = choose_cores().generator
            return run_sends(server.server_address[1], (), SENDERS, 2, 1, core, "run").sends
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sends_each_message_once_and_as_its_sender(recorder: type[Recorder]) -> None:
    sends = send_for_a_second(recorder)
    paths = [path for path, _ in recorder.seen]
    assert len(set(paths)) == len(paths)
    assert 0 < sends <= len(paths)
    tokens = {path.split("/")[5]: token for path, token in recorder.seen}
    assert tokens == {"%21a%3Alocalhost": 'Bearer to"ken-1', "%21b%3Alocalhost": "Bearer token-2"}


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_refused_send_makes_the_run_worthless(recorder: type[Recorder]) -> None:
    recorder.status = 429
    with pytest.raises(BenchError, match="were refused"):
        send_for_a_second(recorder)


def test_script_escapes_what_lua_would_read() -> None:
    assert '"Bearer to\\"ken' not in build_script(SENDERS[1:], "run")
    assert 'to\\"ken-1' in build_script(SENDERS, "run")
