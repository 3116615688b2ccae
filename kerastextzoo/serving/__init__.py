"""A run behind HTTP: `server` listens, `application` has the addresses, `requests` checks bodies,
`model_thread` answers texts of many requests at once, `page` is for people.
"""  # noqa: D205

from importlib.util import find_spec

from kerastextzoo.errors import InputError

_LIBRARIES = ("fastapi", "uvicorn")


def require_libraries() -> None:
    """Refuse to go on without the libraries of the extra `serve`.

    Raises:
        InputError: One is not installed.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"serve needs {' and '.join(_LIBRARIES)}; {' and '.join(missing)} not installed: "
            "pip install 'kerastextzoo[serve]'"
        )
