"""A SavedModel behind TensorFlow Serving's REST protocol, in a process without this package.

TensorFlow's own server is in no package registry, so this stands in for it: the standard library's
HTTP server and `tf.saved_model.load`. It takes both forms of a predict request, by row
(`instances`) and by column (`inputs`), and maps them on a signature as that server documents it.
"""

import http.server
import json
import sys
from typing import Any


class Absent:
    """Keeps out what a server does not have."""

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse this package and what only it needs."""
        if name.split(".", maxsplit=1)[0] in ("kerastextzoo", "gensim", "keras_tuner"):
            raise ModuleNotFoundError(name)


def as_json(tensor: Any) -> Any:
    """Return a tensor as JSON has it."""
    value = tensor.numpy()
    return [text.decode() for text in value] if tensor.dtype == tf.string else value.tolist()


def predict(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request of either form."""
    serve = LOADED.signatures[request.get("signature_name", "serving_default")]
    (name,) = serve.structured_input_signature[1]
    by_row = "instances" in request
    given = request["instances"] if by_row else request["inputs"]
    if by_row:
        given = [row[name] if isinstance(row, dict) else row for row in given]
    elif isinstance(given, dict):
        given = given[name]
    found = {key: as_json(value) for key, value in serve(**{name: tf.constant(given)}).items()}
    if by_row:
        rows = zip(*found.values(), strict=True)
        return {"predictions": [dict(zip(found, row, strict=True)) for row in rows]}
    return {"outputs": found}


class Handler(http.server.BaseHTTPRequestHandler):
    """POST /v1/models/NAME:predict."""

    def do_POST(self) -> None:
        """Answer one request."""
        said = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = 200, predict(json.loads(said))
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"error": str(error)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    # After what must be out of its sight.
    import tensorflow as tf

    LOADED = tf.saved_model.load(sys.argv[1])
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
