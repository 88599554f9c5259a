"""The templates of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_stain.evaluation.page.numbers import number

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """Return a template of a page by the name of its file. What is put into it is escaped."""
    # Half a second that most who compare do not need.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("napari_virtual_stain.evaluation", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(name)
