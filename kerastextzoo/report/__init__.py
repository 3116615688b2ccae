"""A run, a search or a comparison as one HTML page that needs nothing else.

`page` gathers what was recorded and fills `page.html`; `tables` and `searching` lay it out, `svg`
and `figures` draw. To add a section, give it a place in `page.html` and what it shows in `page`.
"""

from kerastextzoo.report.page import check_target, write_comparison, write_report

__all__ = ["check_target", "write_comparison", "write_report"]
