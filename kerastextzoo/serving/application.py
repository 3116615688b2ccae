"""The addresses of a server, and what each answers.

| address | what it is |
|---|---|
| `POST /v1/predict` | `{"texts": [...]}` to `{"predictions": [...]}`, as of `predict --json` |
| `POST /v1/explain` | the same, each with the words that carried it; `label` names another label |
| `POST /v1/models/NAME:predict` | TensorFlow Serving's REST protocol, `{"instances": [...]}` |
| `GET /v1/models/NAME` | its status |
| `GET /health` | which run, which labels, which versions |
| `GET /` | a page to try a sentence on |
"""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from kerastextzoo.explaining import explain
from kerastextzoo.run import Run, versions
from kerastextzoo.serving.model_thread import ModelThread
from kerastextzoo.serving.page import content_security_policy, render_page
from kerastextzoo.serving.requests import (
    BAD_REQUEST,
    BUSY,
    Limits,
    RefusedError,
    read_body,
    read_object,
    read_texts,
)
from kerastextzoo.summary import predictions_as_dicts
from kerastextzoo.text import TextEncoder
from kerastextzoo.training import predict_probabilities

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_NOT_FOUND, _FAULT = 404, 500
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_WARM_UP = ("a", "a text of some more words")


class Service:
    """What the addresses share: the run, the thread of its model, and how much is under way.

    Args:
        run: What `train` or `tune` wrote.
        name: Its name in TensorFlow Serving's addresses.
        limits: How much is taken at a time.
    """

    def __init__(self, run: Run, name: str, limits: Limits) -> None:
        self.run, self.name, self.limits = run, name, limits
        if isinstance(run.encoder, TextEncoder):
            run.encoder.compile()
        self.thread = ModelThread(self._answer)
        self._under_way = 0
        # So that the first request does not wait for graphs to be traced.
        self.thread.answer(_WARM_UP).result()
        self.thread.call(lambda: [*explain(run, _WARM_UP)]).result()

    def _answer(self, texts: "Sequence[str]") -> "npt.NDArray[np.float32]":
        return predict_probabilities(self.run.model, self.run.encoder.encode(texts))

    @asynccontextmanager
    async def read(self, request: Request, known: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
        """Give what a request holds, and count it as under way until it is answered.

        Raises:
            RefusedError: It is none that can be answered, or there are too many.
        """
        if self._under_way >= self.limits.requests:
            raise RefusedError(BUSY, "too many requests wait already; try again in a second")
        self._under_way += 1
        try:
            declared = request.headers.get("content-length")
            body = await read_body(request.stream(), declared, self.limits)
            yield read_object(body, known)
        finally:
            self._under_way -= 1

    async def answer(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return probabilities `(texts, classes)`."""
        return await asyncio.wrap_future(self.thread.answer(texts))

    async def explain(self, text: str, label: str | None) -> dict[str, Any]:
        """Say how much the words of a text speak for a label."""
        labels = None if label is None else [label]
        job = self.thread.call(lambda: next(explain(self.run, [text], labels=labels)))
        return (await asyncio.wrap_future(job)).as_dict()


def create_application(
    run: Run, name: str, limits: Limits | None = None, *, hosts: Sequence[str] = ("*",)
) -> FastAPI:
    """Return a run as an ASGI application.

    Args:
        run: What `train` or `tune` wrote.
        name: Its name in TensorFlow Serving's addresses.
        limits: How much is taken at a time; None: the defaults.
        hosts: Under which names it answers. Without a list, a web page elsewhere could have its own
            name point here and read the answers.
    """
    service = Service(run, name, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.thread.close()

    # FastAPI's own pages of documentation load scripts from elsewhere.
    application = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    application.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    _add_addresses(application, service)
    application.add_exception_handler(RefusedError, _refuse)
    application.add_exception_handler(HTTPException, _tell)
    return application


def _add_addresses(application: FastAPI, service: Service) -> None:
    run, limits = service.run, service.limits

    @application.post("/v1/predict")
    @_told
    async def predict(request: Request) -> Response:
        async with service.read(request, ["texts"]) as content:
            texts = read_texts(content, limits)
            return _json({"predictions": predictions_as_dicts(run, await service.answer(texts))})

    @application.post("/v1/explain")
    @_told
    async def explain(request: Request) -> Response:
        async with service.read(request, ["texts", "label"]) as content:
            texts = read_texts(content, limits, most=limits.explained)
            label = content.get("label")
            if label is not None and label not in run.label_names:
                told = f'"label" takes a label of the run; known: {", ".join(run.label_names)}'
                raise RefusedError(BAD_REQUEST, told)
            predictions = predictions_as_dicts(run, await service.answer(texts))
            # One by one: others get their turn in between.
            for prediction, text in zip(predictions, texts, strict=True):
                prediction |= await service.explain(text, label)  # noqa: PLW2901
            return _json({"predictions": predictions})

    @application.post("/v1/models/{name}:predict")
    @_told
    async def predict_instances(request: Request, name: str) -> Response:
        _check_name(name, service)
        async with service.read(request, ["instances", "signature_name"]) as content:
            if content.get("signature_name", "serving_default") != "serving_default":
                raise RefusedError(BAD_REQUEST, '"signature_name" takes serving_default alone')
            texts = read_texts(content, limits, key="instances")
            return _json({"predictions": _as_outputs(run, await service.answer(texts))})

    @application.get("/v1/models/{name}")
    async def status(name: str) -> Response:
        _check_name(name, service)
        fine = {"error_code": "OK", "error_message": ""}
        version = {"version": "1", "state": "AVAILABLE", "status": fine}
        return _json({"model_version_status": [version]})

    @application.get("/health")
    async def health() -> Response:
        told = {
            "ready": True,
            "name": service.name,
            "model": run.record["model"],
            "labels": run.label_names,
            "multi_label": run.thresholds is not None,
            "versions": versions(),
        }
        return _json(told)

    @application.get("/")
    async def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": content_security_policy(nonce)}
        content = render_page(run, nonce)
        return Response(content, media_type="text/html", headers={**_HEADERS, **policy})


def _told(
    answer: Callable[..., Awaitable[Response]],
) -> Callable[..., Awaitable[Response]]:
    """Let a fault of ours be one line for the client and one on standard error."""

    @wraps(answer)
    async def call(*arguments: Any, **named: Any) -> Response:
        try:
            return await answer(*arguments, **named)
        except RefusedError:
            raise
        except ClientDisconnect:
            return Response(status_code=BAD_REQUEST)
        except Exception as error:
            told = " ".join(f"a fault of kerastextzoo: {type(error).__name__}: {error}".split())
            sys.stderr.write(f"error: {told}\n")
            return _json({"error": told}, _FAULT)

    return call


def _check_name(name: str, service: Service) -> None:
    if name != service.name:
        raise RefusedError(_NOT_FOUND, f"no model of that name; the one here is '{service.name}'")


def _as_outputs(run: Run, probabilities: "npt.NDArray[np.float32]") -> list[dict[str, Any]]:
    """Return the outputs of the exported SavedModel, as TensorFlow Serving gives them."""
    return [
        {
            "probabilities": row.tolist(),
            "label": run.label_names[row.argmax()],
            **({} if run.thresholds is None else {"chosen": (row >= run.thresholds).tolist()}),
        }
        for row in probabilities
    ]


def _json(content: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(body, status, media_type="application/json", headers={**_HEADERS, **headers})


async def _refuse(_: Request, error: Exception) -> Response:
    details = error.details if isinstance(error, RefusedError) else {}
    status = error.status if isinstance(error, RefusedError) else _FAULT
    closed = isinstance(error, RefusedError) and error.close
    headers = {"Connection": "close"} if closed else {}
    if status == BUSY:
        headers["Retry-After"] = "1"
    return _json({"error": str(error), **details}, status, **headers)


async def _tell(_: Request, error: Exception) -> Response:
    """Answer what no address takes: there is none of that name, or it takes another method."""
    status = error.status_code if isinstance(error, HTTPException) else _FAULT
    headers = dict(getattr(error, "headers", None) or {})
    return _json({"error": str(getattr(error, "detail", error))}, status, **headers)
