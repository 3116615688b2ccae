"""A real server in a process of its own: what it answers, what it refuses, how it ends."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from browser import can_be_driven, driven, find_browser, look_at, open_page
from commands import Command
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from kerastextzoo.builders import get_spec
from kerastextzoo.data import Dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.serving.model_thread import ModelThread
from kerastextzoo.serving.page import render_page
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig

ROOT = Path(__file__).resolve().parents[1]
TEXTS, CHARACTERS, BYTES, REQUESTS = 50, 2000, 60_000, 6
LIMITS = ("--max-texts", TEXTS, "--max-characters", CHARACTERS, "--max-bytes", BYTES,
          "--max-requests", REQUESTS)  # fmt: skip
EVIL = "<b onmouseover=alert(1)>劣"
NOISE = tuple("这部电影大家都看过了")
# Some of the texts hold no known character.
pytestmark = pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")
needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on Chinese texts in which one character tells the label."""
    rng = np.random.default_rng(0)
    labels = ["好评", EVIL] * 100
    texts = [
        "".join(rng.permutation([*rng.choice(NOISE, 7), "佳" if label == "好评" else "劣"]))
        for label in labels
    ]
    splits = make_splits(Dataset("<i>films</i>", tuple(texts), tuple(labels)), seed=0)
    settings = get_spec("cnn").config.parse({"filters": 8, "kernel_sizes": [2], "dropout": 0.0})
    config = TrainingConfig(
        epochs=6,
        batch_size=8,
        embedding="random",
        embedding_features=8,
        learning_rate=0.02,
        weight_averaging=0.0,
    )
    preparation = Preparation(splits, TextConfig(min_count=1))
    out = tmp_path_factory.mktemp("served") / "films"
    return train(preparation, "cnn", out, settings=settings, config=config, watch=False)


class Server:
    """A server in another process."""

    def __init__(self, run: Run, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = ["serve", run.directory, "--port", "0", "--json", *LIMITS]
        self.errors = folder / "errors.txt"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kerastextzoo", *map(str, command)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self.told = json.loads(self.line() or self.errors.read_text() or "{}")
        url = urlsplit(self.told["url"])
        self.host, self.port = str(url.hostname), int(url.port or 0)

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def ask(
        self, path: str, body: bytes | None = None, *, method: str = "", **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        connection = self.connect()
        verb = method or ("GET" if body is None else "POST")
        connection.request(verb, path, body, headers)
        response = connection.getresponse()
        content = response.read().decode()
        connection.close()
        told = dict(response.getheaders())
        as_json = told.get("content-type") == "application/json"
        return response.status, json.loads(content) if as_json else content, told

    def post(self, path: str, **content: Any) -> Any:
        status, told, _ = self.ask(path, json.dumps(content, ensure_ascii=False).encode())
        assert status == 200, told
        return told

    def begin(self, body: bytes) -> socket.socket:
        """Send the head of a request and half of its body."""
        opened = socket.create_connection((self.host, self.port), timeout=60)
        head = (
            f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        opened.sendall(head.encode() + body[: len(body) // 2])
        return opened

    def end(self, opened: socket.socket, body: bytes) -> tuple[int, Any]:
        """Send the rest of the body; return what is answered."""
        opened.sendall(body[len(body) // 2 :])
        response = http.client.HTTPResponse(opened)
        response.begin()
        told = json.loads(response.read())
        opened.close()
        return response.status, told

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode, self.errors.read_text()


@pytest.fixture(scope="module")
def server(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(run, tmp_path_factory.mktemp("server"))
    yield started
    status, errors = started.stop(signal.SIGINT)
    # Whatever the tests sent, it left no trace but the last line.
    assert (status, errors.splitlines()[-1:]) == (130, ["interrupted: nothing was written"])
    assert len(errors.splitlines()) == 1, errors


def expected(run: Run, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    return run.predict_proba(texts)


def probabilities(told: Any) -> npt.NDArray[np.float64]:
    return np.array([[*each["probabilities"].values()] for each in told["predictions"]])


def test_answers_are_those_of_predict(server: Server, run: Run, command: Command) -> None:
    texts = ["这部电影佳", "大家看过了，劣！", "电影" * 300, "x"]
    told = server.post("/v1/predict", texts=texts)
    by_command = command.json("predict", run.directory, *texts)
    assert told["predictions"][0]["label"] == "好评"
    assert [list(each) for each in told["predictions"]] == [["label", "probabilities"]] * 4
    np.testing.assert_allclose(probabilities(told), probabilities(by_command), atol=1e-5)
    alone = [probabilities(server.post("/v1/predict", texts=[text]))[0] for text in texts]
    np.testing.assert_allclose(probabilities(told), alone, atol=1e-5)
    assert server.post("/v1/predict", texts=[]) == {"predictions": []}


def test_tensorflow_serving_s_protocol(server: Server, run: Run) -> None:
    texts = ["这部电影佳", "大家看过了，劣！"]
    path = "/v1/models/films"
    told = server.post(f"{path}:predict", instances=[texts[0], {"texts": texts[1]}])
    assert [each["label"] for each in told["predictions"]] == ["好评", EVIL]
    found = [each["probabilities"] for each in told["predictions"]]
    np.testing.assert_allclose(found, expected(run, texts), atol=1e-5)
    assert server.ask(path)[1]["model_version_status"][0]["state"] == "AVAILABLE"
    for wrong in (server.ask("/v1/models/other"), server.ask("/v1/models/other:predict", b"{}")):
        assert wrong[:2] == (404, {"error": "no model of that name; the one here is 'films'"})


def test_health_tells_what_is_served(server: Server, run: Run) -> None:
    status, told, _ = server.ask("/health")
    assert status == 200
    assert {name: told[name] for name in ("ready", "name", "model", "multi_label")} == {
        "ready": True,
        "name": "films",
        "model": "cnn",
        "multi_label": False,
    }
    assert told["labels"] == run.label_names
    assert {"kerastextzoo", "tensorflow"} <= told["versions"].keys()
    assert server.told == {
        "run": str(run.directory),
        "model": "cnn",
        "url": f"http://127.0.0.1:{server.port}",
    }


def test_explanations_name_the_word(server: Server) -> None:
    text = "😀 这部 电影劣"
    (told,) = server.post("/v1/explain", texts=[text])["predictions"]
    best = max(told["explanation"], key=lambda token: float(token["weight"]))
    assert (told["label"], text[best["start"] : best["end"]]) == (EVIL, "劣")
    (other,) = server.post("/v1/explain", texts=[text], label="好评")["predictions"]
    assert other["explained"]["label"] == "好评"
    assert other["explanation"][-1]["weight"] == pytest.approx(-best["weight"], abs=1e-5)


LONG = "x" * (CHARACTERS + 1)
BAD: dict[str, tuple[bytes, int, str, dict[str, int]]] = {
    "no body": (b"", 400, "not JSON", {"position": 0}),
    "no JSON": (b'{"texts": ["a"', 400, "not JSON", {"position": 14}),
    "no UTF-8": (b'{"texts": ["\xff"]}', 400, "not UTF-8 at byte 12", {"position": 12}),
    "UTF-16": ('{"texts": ["a"]}'.encode("utf-16"), 400, "not UTF-8", {"position": 0}),
    "half a pair": (rb'{"texts": ["a", "\ud800"]}', 400, "texts[1] holds half", {"position": 1}),
    "a list": (b'["a"]', 400, "the body is a list; send an object", {}),
    "null": (b"null", 400, "the body is null", {}),
    "no texts": (b"{}", 400, 'takes a list of strings; got no such key', {}),
    "a string": (b'{"texts": "a"}', 400, "got a string", {}),
    "an object": (b'{"texts": {"a": 1}}', 400, "got an object", {}),
    "null text": (b'{"texts": ["a", null]}', 400, "texts[1] is null", {"position": 1}),
    "number": (b'{"texts": [1.5]}', 400, "texts[0] is a number", {"position": 0}),
    "NaN": (b'{"texts": [NaN]}', 400, "texts[0] is a number", {"position": 0}),
    "boolean": (b'{"texts": ["a", "b", true]}', 400, "texts[2] is a boolean", {"position": 2}),
    "nested": (b'{"texts": [["a"]]}', 400, "texts[0] is a list", {"position": 0}),
    "too deep": (b'{"texts": ' + b"[" * 50_000, 400, "nested too deep", {}),
    "huge number": (b'{"texts": [' + b"9" * 9000 + b"]}", 400, "a huge number", {}),
    "unknown key": (b'{"texts": ["a"], "text": 1}', 400, "unknown key 'text'; known: texts", {}),
    "long text": (json.dumps({"texts": ["a", LONG]}).encode(), 413, "texts[1] has 2,001 ch",
                  {"position": 1, "limit": CHARACTERS}),
    "many texts": (json.dumps({"texts": ["a"] * (TEXTS + 1)}).encode(), 413,
                   "at most 50 texts; got 51", {"position": TEXTS, "limit": TEXTS}),
    "many bytes": (b" " * (BYTES + 1), 413, "longer than 60,000 bytes", {"limit": BYTES}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_request_is_one_line_that_names_the_place(server: Server, name: str) -> None:
    body, status, words, details = BAD[name]
    found, told, headers = server.ask("/v1/predict", body)
    assert found == status
    assert words in told.pop("error")
    assert told == details
    assert headers["content-type"] == "application/json"


def test_other_mistakes(server: Server) -> None:
    assert server.ask("/v1/predict")[:2] == (405, {"error": "Method Not Allowed"})
    assert server.ask("/../../etc/passwd")[:2] == (404, {"error": "Not Found"})
    assert server.ask("/docs")[0] == 404
    body = b'{"instances": [{"text": "a"}]}'
    assert server.ask("/v1/models/films:predict", body)[1] == {
        "error": "instances[0] is an object; expected a string",
        "position": 0,
    }
    body = b'{"instances": ["a"], "signature_name": "other"}'
    assert server.ask("/v1/models/films:predict", body)[0] == 400
    status, told, _ = server.ask("/v1/explain", b'{"texts": ["a"], "label": ["a"]}')
    assert (status, told["error"][:38]) == (400, '"label" takes a label of the run; know')
    assert server.ask("/v1/explain", b'{"texts": ["a", "a", "a", "a", "a", "a", "a", "a", "a"]}')[
        1
    ] == {"error": '"texts" takes at most 8 texts; got 9', "position": 8, "limit": 8}
    # A page elsewhere whose name points here can't read answers.
    assert server.ask("/health", Host="films.example.org")[0] == 400
    assert (
        server.ask("/health", Origin="https://example.org")[2]
        .keys()
        .isdisjoint({"access-control-allow-origin"})
    )


def test_a_body_without_end_is_refused_while_it_comes(server: Server) -> None:
    head = "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = 0
    with (  # noqa: PT012
        socket.create_connection((server.host, server.port), timeout=60) as opened,
        pytest.raises(OSError, match=r"reset|Broken pipe"),
    ):
        opened.sendall(head.encode())
        while sent < 1000 * BYTES:
            opened.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            sent += 10_000
            time.sleep(0.001)
    assert sent < 1000 * BYTES
    assert server.ask("/health")[0] == 200


def test_many_at_once_have_each_their_own_answer(server: Server, run: Run) -> None:
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice([*NOISE, "佳", "劣"], int(n))) for n in rng.integers(1, 60, 120)]

    def ask(text: str) -> npt.NDArray[np.float64]:
        (found,) = probabilities(server.post("/v1/predict", texts=[text]))
        return np.asarray(found)

    with ThreadPoolExecutor(REQUESTS) as pool:
        found = list(pool.map(ask, texts))
    np.testing.assert_allclose(found, expected(run, texts), atol=1e-5)


def test_whoever_comes_when_all_places_are_taken_is_told_to_come_again(server: Server) -> None:
    body = json.dumps({"texts": ["这部电影佳"]}).encode()
    waiting = [server.begin(body) for _ in range(REQUESTS)]
    deadline = time.monotonic() + 60
    status = 200
    while status == 200 and time.monotonic() < deadline:
        status, told, headers = server.ask("/v1/predict", body)
    assert (status, headers["retry-after"]) == (503, "1")
    assert told == {"error": "too many requests wait already; try again in a second"}
    assert server.ask("/health")[0] == 200
    answers = [server.end(opened, body) for opened in waiting]
    assert {status for status, _ in answers} == {200}
    assert server.post("/v1/predict", texts=["佳"])["predictions"][0]["label"] == "好评"


def test_a_client_that_goes_away_leaves_its_place(server: Server) -> None:
    body = json.dumps({"texts": ["佳"] * 10}).encode()
    for _ in range(3 * REQUESTS):
        server.begin(body).close()
    deadline = time.monotonic() + 60
    while (status := server.ask("/v1/predict", body)[0]) == 503:
        assert time.monotonic() < deadline
    assert status == 200


def test_a_signal_waits_for_the_answers_under_way(run: Run, tmp_path: Path) -> None:
    server = Server(run, tmp_path)
    body = json.dumps({"texts": ["这部电影佳"]}).encode()
    opened = server.begin(body)
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    status, told = server.end(opened, body)
    assert (status, told["predictions"][0]["label"]) == (200, "好评")
    server.process.communicate(timeout=60)
    assert server.process.returncode == 130
    assert server.errors.read_text() == "interrupted: nothing was written\n"


def test_what_cannot_be_served_is_status_2(
    server: Server, run: Run, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = command("serve", run.directory, "--port", server.port)
    assert taken[:2] == (2, "")
    port = f"can't listen on '127.0.0.1' port {server.port}: Address already in use"
    assert re.fullmatch(f"error: {port}.*; give another --port .*\n", taken[2])
    for host, number in (("no such host", 0), ("127.0.0.1", 70_000), ("203.0.113.1", 0)):
        status, _, err = command("serve", run.directory, "--host", host, "--port", number)
        assert (status, err[:20], err.count("\n")) == (2, "error: can't listen ", 1)
    assert command("serve", tmp_path, "--port", 0)[0] == 2
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, err = command("serve", run.directory)
    assert (status, err.count("\n")) == (2, 1)
    assert "uvicorn not installed: pip install 'kerastextzoo[serve]'" in err


# The page


@needs_browser
def test_page_shows_bars_and_the_words_that_count(server: Server, tmp_path: Path) -> None:
    text = quote("😀这部 <b>电影劣")
    seen = open_page(f"{server.told['url']}/?text={text}", tmp_path / "profile")
    assert re.search(r"<h1>cnn on &lt;i&gt;films&lt;/i&gt;</h1>", seen)
    evil = EVIL.replace("<", "&lt;").replace(">", "&gt;")
    assert f'<p id="answer">{evil}</p>' in seen
    widths = [float(each) for each in re.findall(r'class="fill" style="width: ([\d.]+)%', seen)]
    assert len(widths) == 2
    assert widths[0] > 50 > widths[1]
    assert sum(widths) == pytest.approx(100, abs=0.1)
    words = re.findall(
        r'<span class="token (\w+)([^"]*)" title=[^>]* style="--depth: (\d+)%;">(.*?)</span>', seen
    )
    deepest = max(words, key=lambda word: int(word[2]))
    assert (deepest[0], deepest[2], deepest[3]) == ("for", "70", "劣")
    assert {word for _, unknown, _, word in words if unknown} >= {"😀", "b"}
    assert "<b>" not in seen


@pytest.mark.skipif(not can_be_driven(), reason="no Chromium with its driver is installed")
def test_page_answers_whoever_types_and_clicks(server: Server, tmp_path: Path) -> None:
    with driven(tmp_path / "profile") as browser:
        browser.get(server.told["url"])
        wait = WebDriverWait(browser, 60)

        def shown(name: str) -> str:
            return str(browser.find_element(By.ID, name).text)

        def pressed() -> list[str]:
            bars = browser.find_elements(By.CSS_SELECTOR, "#bars button[aria-pressed=true] .name")
            return [bar.text for bar in bars]

        assert not browser.find_element(By.ID, "result").is_displayed()
        # The cursor is in the field already.
        browser.switch_to.active_element.send_keys("这部电影劣")
        browser.find_element(By.ID, "ask").click()
        wait.until(lambda _: shown("answer") == EVIL)
        assert (pressed(), shown("explained")) == ([EVIL], EVIL)
        # Another label's words, by the keyboard alone.
        other = browser.find_elements(By.CSS_SELECTOR, "#bars button")[1]
        other.send_keys(Keys.ENTER)
        wait.until(lambda _: shown("explained") == "好评")
        assert pressed() == ["好评"]
        against = browser.find_element(By.CSS_SELECTOR, "#words .against")
        assert (against.text, shown("answer")) == ("劣", EVIL)
        # A second text, sent from the field.
        field = browser.find_element(By.ID, "text")
        field.clear()
        field.send_keys("大家看过了，佳", Keys.CONTROL + Keys.ENTER)
        wait.until(lambda _: shown("answer") == "好评")
        # One that is refused takes the answer away, and the next one brings it back.
        browser.execute_script("arguments[0].value = arguments[1]", field, LONG)
        browser.find_element(By.ID, "ask").click()
        wait.until(lambda _: shown("error") == "texts[0] has 2,001 characters; at most 2,000")
        assert not browser.find_element(By.ID, "result").is_displayed()
        field.clear()
        field.send_keys("劣", Keys.CONTROL + Keys.ENTER)
        wait.until(lambda _: shown("answer") == EVIL)
        assert not browser.find_element(By.ID, "error").is_displayed()
        told = [line["message"] for line in browser.get_log("browser")]  # type: ignore[no-untyped-call]
        # Of all this, the browser itself remarks upon the request that was refused.
        assert [line for line in told if "413" not in line] == []


@needs_browser
def test_page_tells_what_is_refused(server: Server, tmp_path: Path) -> None:
    seen = open_page(f"{server.told['url']}/?text={LONG}", tmp_path / "profile")
    assert '<p id="error" role="alert">texts[0] has 2,001 characters; at most 2,000</p>' in seen
    assert re.search(r'<section id="result"[^>]* hidden', seen)


def test_page_needs_nothing_from_elsewhere(server: Server) -> None:
    status, page, headers = server.ask("/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce
    assert page.count(f'nonce="{nonce[1]}"') == 2
    assert nonce[1] not in server.ask("/")[1]
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert not re.search(r"\son\w+=", page)
    assert "://" not in page


# In the place of the server, for the page alone: an answer that is there at once.
ANSWERED = """<script>
fetch = async () => ({ok: true, json: async () => ({predictions: [{
  label: "long", labels: ["long"], explained: {label: "long", tokens: 3, read: 3, in_text: 9},
  probabilities: Object.fromEntries([["long" + "g".repeat(80), 0.6], ["long", 0.3],
    ...Array.from({length: 40}, (_, n) => ["class " + n, n / 10000])]),
  explanation: [{token: "w", start: 0, end: 300, weight: 0.5, known: true},
    {token: "x", start: 300, end: 301, weight: -0.2, known: false},
    {token: "y", start: null, end: null, weight: 0, known: true}]}]})});
</script>"""
TYPED = '<script>at("text").value = "w".repeat(400); at("form").requestSubmit();</script>'


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_any_screen(run: Run, tmp_path: Path, dark: bool) -> None:
    page = tmp_path / "page.html"
    made = render_page(run, "").replace("autofocus", "")
    page.write_text(made.replace("<main>", f"{ANSWERED}<main>") + TYPED, "utf-8")
    narrow, wide = look_at(page, (340, 1600), tmp_path, dark=dark)
    for seen in (narrow, wide):
        assert seen["needed"] <= seen["width"]
        assert seen["sections"] == 1
    brightness = [sum(map(int, re.findall(r"\d+", wide[name])[:3])) for name in ("paper", "ink")]
    assert (brightness[0] < brightness[1]) is dark


# The thread of the model


def test_texts_that_wait_go_together_and_a_fault_hits_its_own_request() -> None:
    started, go_on, calls = threading.Event(), threading.Event(), list[list[str]]()

    def answer(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        calls.append(list(texts))
        started.set()
        assert go_on.wait(60)
        if "bad" in texts:
            raise ValueError("bad text")
        return np.array([[len(text)] for text in texts], np.float32)

    thread = ModelThread(answer, most_texts=4)
    first = thread.answer(["first"])
    assert started.wait(60)
    one, bad, large = (thread.answer(texts) for texts in (["a", "bb"], ["bad"], ["x"] * 6))
    gone, other, last = thread.answer(["gone"]), thread.call(lambda: "done"), thread.answer(["ccc"])
    assert gone.cancel()
    go_on.set()
    assert first.result(60).tolist() == [[5]]
    assert one.result(60).tolist() == [[1], [2]]
    with pytest.raises(ValueError, match="bad text"):
        bad.result(60)
    assert large.result(60).shape == (6, 1)
    assert (other.result(60), last.result(60).tolist()) == ("done", [[3]])
    with pytest.raises(CancelledError):
        gone.result(60)
    thread.close()
    # The two that failed together were tried again alone.
    assert calls == [["first"], ["a", "bb", "bad"], ["a", "bb"], ["bad"], ["x"] * 6, ["ccc"]]
