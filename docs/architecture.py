"""Draws a Keras model: a box a layer, from the text at the top to the classes at the bottom."""

from typing import Any, NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _ACROSS, _DOWN = 190, 40, 210, 58
#: Settings of a layer that are worth a word in its box.
_SETTINGS = {
    "kernel_size": "kernel {}",
    "pool_size": "pool {}",
    "rate": "{}",
    "num_heads": "{} heads",
    "activation": "{}",
}
_PLAIN = ("linear", None)


class _Box(NamedTuple):
    title: str
    shape: str
    x: float
    y: float


def _parents(model: Any) -> dict[str, list[str]]:
    """Return the layers that each layer reads, by name, in order; masks are not told."""
    names = {layer.name for layer in model.layers}
    return {
        layer.name: list(
            dict.fromkeys(
                tensor._keras_history[0].name
                for node in layer._inbound_nodes
                for tensor in node.input_tensors
                if tensor._keras_history[0].name in names
            )
        )
        for layer in model.layers
    }


def _title(layer: Any) -> str:
    inner = getattr(layer, "layer", None)
    name = type(layer).__name__ + (f"({type(inner).__name__})" if inner is not None else "")
    config = layer.get_config()
    said = []
    for setting, words in _SETTINGS.items():
        value = config.get(setting)
        value = value[0] if isinstance(value, list | tuple) else value
        if value not in _PLAIN and not isinstance(value, dict):
            said.append(words.format(value))
    return " ".join([name, *said[:1]])


def _shape(layer: Any) -> str:
    # The first size is that of the batch, whatever it is; of the others, an unknown one is steps.
    sizes = ["steps" if size is None else str(size) for size in layer.output.shape[1:]]
    return " × ".join(sizes)


def draw_architecture(model: Any) -> str:
    """Return the picture as SVG that takes the colour of the text around it."""
    parents = _parents(model)
    layers = {layer.name: layer for layer in model.layers}
    rows: dict[str, int] = {}
    for name in layers:  # Keras has them in the order of their making
        rows[name] = 1 + max((rows[parent] for parent in parents[name]), default=-1)
    across = {row: [name for name in layers if rows[name] == row] for row in set(rows.values())}
    widest = max(map(len, across.values()))
    width = widest * _ACROSS + 2 * _ACROSS * (widest == 1) // 4
    boxes = {
        name: _Box(
            _title(layers[name]),
            _shape(layers[name]),
            width / 2 + (place - (len(names) - 1) / 2) * _ACROSS,
            row * _DOWN + _HEIGHT / 2 + 4,
        )
        for row, names in across.items()
        for place, name in enumerate(names)
    }
    height = len(across) * _DOWN
    lines = [
        _line(boxes[parent], boxes[name], rows[name] - rows[parent])
        for name in layers
        for parent in parents[name]
    ]
    label = escape(f"{model.name}: {len(layers)} layers", {'"': "&quot;"})
    return (
        f'<svg class="architecture" role="img" aria-label="{label}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'style="max-width:100%;height:auto" font-family="sans-serif" text-anchor="middle" '
        'fill="none" stroke="currentColor">'
        f"{''.join(lines)}{''.join(map(_box, boxes.values()))}</svg>"
    )


def _line(start: _Box, end: _Box, rows: int) -> str:
    top, bottom = start.y + _HEIGHT / 2, end.y - _HEIGHT / 2
    if rows == 1:
        path = f"M{start.x} {top}L{end.x} {bottom}"
    else:  # around the boxes between them
        side = max(start.x, end.x) + _WIDTH / 2
        path = (
            f"M{start.x + _WIDTH / 2} {start.y}C{side + 24} {start.y} "
            f"{side + 24} {end.y} {end.x + _WIDTH / 2} {end.y}"
        )
    return f'<path d="{path}" opacity=".6"/>'


def _box(box: _Box) -> str:
    left, top = box.x - _WIDTH / 2, box.y - _HEIGHT / 2
    return (
        f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        '<g stroke="none" fill="currentColor">'
        f'<text x="{box.x}" y="{box.y - 3}" font-size="11.5">{escape(box.title)}</text>'
        f'<text x="{box.x}" y="{box.y + 13}" font-size="11" opacity=".7">{box.shape}</text></g>'
    )
