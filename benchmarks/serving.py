"""A server under load: requests a second, how long each waits, and memory before and after a flood.

    python -m benchmarks.serving [--seconds 20] [--flood 50000]

Serves a `cnn` on the built-in texts, trained for one epoch, from a process of its own; clients in
one more process send short texts, one a request, over connections that stay open. Linux.
"""

import http.client
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.pairs import Figure, read_arguments, show

_TEXTS = ("Return the sum of all numbers in an array.", "A layer of a network.", "Fit the model.")
_CLIENTS = 16
_WARM_UP = 3.0
_GOAL = 200


def train_run(folder: Path) -> Path:
    """Train the run that is served, in a process of its own."""
    out = folder / "cnn"
    command = ["train", "--model", "cnn", "--epochs", "1", "--no-doctor", "--quiet", "--out", out]
    _start(*command).wait()
    return out


def _start(*command: object) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "kerastextzoo", *map(str, command)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def ask_again_and_again(url: str, requests: int, until: float) -> tuple[float, list[float]]:
    """Ask with many clients until so many requests are answered or that time has come.

    Returns:
        The seconds it took in all, and those of each request.
    """
    waits: list[list[float]] = [[] for _ in range(_CLIENTS)]
    started = time.time()
    threads = [
        threading.Thread(target=_ask, args=(url, requests // _CLIENTS, until, each))
        for each in waits
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.time() - started, [wait for each in waits for wait in each]


def _ask(url: str, requests: int, until: float, waits: list[float]) -> None:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
    bodies = [json.dumps({"texts": [text]}) for text in _TEXTS]
    while len(waits) < requests and time.time() < until:
        started = time.perf_counter()
        connection.request("POST", "/v1/predict", bodies[len(waits) % len(bodies)])
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"status {response.status}")
        waits.append(time.perf_counter() - started)
    connection.close()


def _resident(process: int) -> float:
    """Return the megabytes that a process holds in memory."""
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def measure(seconds: int, flood: int) -> list[Figure]:
    """Serve, ask, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        run = train_run(Path(folder))
        server = _start("serve", run, "--port", 0, "--json")
        try:
            url = json.loads(server.stdout.readline())["url"] if server.stdout else ""
            with multiprocessing.get_context("spawn").Pool(1) as clients:
                clients.apply(ask_again_and_again, (url, 10**9, time.time() + _WARM_UP))
                limit = (10**9, time.time() + seconds)
                whole, waits = clients.apply(ask_again_and_again, (url, *limit))
                before = _resident(server.pid)
                rest = max(_CLIENTS, flood - len(waits))
                clients.apply(ask_again_and_again, (url, rest, time.time() + 3600))
                after = _resident(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    cuts = statistics.quantiles([1000 * wait for wait in waits], n=100)
    cores = len(os.sched_getaffinity(0))
    answered = len(waits) / whole
    return [
        Figure.of(f"requests a second, {cores} cores", [answered], "", f"at least {_GOAL}"),
        Figure.of(f"wait of half of them, {_CLIENTS} clients", [cuts[49]], " ms", ""),
        Figure.of("wait of 99 % of them", [cuts[98]], " ms", ""),
        Figure.of("memory of the server before a flood", [before], " MB", ""),
        Figure.of(f"memory after {len(waits) + rest:,} requests", [after], " MB", "flat"),
    ]


def main() -> None:
    """Print what was measured."""
    options = read_arguments(__doc__, seconds=20, flood=50_000)
    show(measure(options.seconds, options.flood), as_json=options.json)


if __name__ == "__main__":
    main()
