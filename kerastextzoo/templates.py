"""Pages are made of templates that escape whatever is put into them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates_of(package: str) -> "Environment":
    """Return what reads the templates beside a package's modules.

    Args:
        package: Its whole name.

    Example:
        >>> templates_of("kerastextzoo.report").from_string("{{ it }}").render(it="<b>")
        '&lt;b&gt;'
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
