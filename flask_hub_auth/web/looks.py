"""Our two pages, or what the application has put in their place.

Ours are rendered in an environment of their own: that of an application may have other delimiters (beside Vue or
Angular, say), or be strict about names that nothing has.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from flask import current_app, render_template
from jinja2 import Environment, FileSystemLoader, Template, TemplateNotFound, TemplateSyntaxError

TEMPLATES: t.Final = Path(__file__).parent / "templates"
PAGE: t.Final = "hub_auth/page.html"
LOGOUT: t.Final = "hub_auth/logout.html"

_ours: t.Final = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)


def render_page(**values: t.Any) -> str:
    """The page of a problem; raises what a template of the application raises."""
    return render_template(_replaced(PAGE) or _ours.get_template(PAGE), **values)


def render_logout(**values: t.Any) -> str:
    """The page with the button; it fills the blocks of the page of a problem. Raises as that does."""
    whole, page = _replaced(LOGOUT), _replaced(PAGE)
    if whole is None:
        environment = _beside(page.environment) if page else _ours
        whole = environment.get_template(LOGOUT)
    return render_template(whole, hub_page=page or _ours.get_template(PAGE), **values)


def _replaced(name: str) -> Template | None:
    """The application's own template of this name, if it has one."""
    ours = TEMPLATES / name
    try:
        template = current_app.jinja_env.get_template(name)
    except TemplateNotFound:
        return None
    except TemplateSyntaxError as error:
        # In other delimiters ours may not even be a template.
        if error.filename and Path(error.filename) == ours:
            return None
        raise
    return None if template.filename and Path(template.filename) == ours else template


def _beside(environment: Environment) -> Environment:
    """Our environment for a template whose parent is the application's, and expects its globals."""
    ours = _ours.overlay(enable_async=environment.is_async)
    ours.globals = environment.globals
    return ours
