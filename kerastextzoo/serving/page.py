"""The page on which people try a sentence."""

from functools import cache
from typing import TYPE_CHECKING

from kerastextzoo.templates import templates_of

if TYPE_CHECKING:
    from jinja2 import Template

    from kerastextzoo.run import Run


def content_security_policy(nonce: str) -> str:
    """Return what the page may do: run its own script, ask its own server.

    Args:
        nonce: What marks the page's own script and style; new for each answer.
    """
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def render_page(run: "Run", nonce: str) -> str:
    """Return the page of a run.

    Args:
        run: What `train` or `tune` wrote.
        nonce: As in `content_security_policy`.
    """
    record = run.record
    return _template().render(
        title=f"{record['model']} on {record['data']['name']}",
        classes=len(run.label_names),
        multi_label=run.thresholds is not None,
        version=record["versions"]["kerastextzoo"],
        nonce=nonce,
    )


@cache
def _template() -> "Template":
    return templates_of("kerastextzoo.serving").get_template("page.html")
