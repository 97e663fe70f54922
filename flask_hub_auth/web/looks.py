"""Our two pages, or what the application has put in their place.

Ours are rendered in an environment of their own: that of an application may have other delimiters (beside Vue or
Angular, say), or be strict about names that nothing has.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from flask import current_app, render_template
from jinja2 import Environment, FileSystemLoader, Template, TemplateNotFound, TemplateSyntaxError, Undefined
from jinja2 import defaults as usual

TEMPLATES: t.Final = Path(__file__).parent / "templates"
PAGE: t.Final = "hub_auth/page.html"
LOGOUT: t.Final = "hub_auth/logout.html"

_loader: t.Final = FileSystemLoader(TEMPLATES)
_ours: t.Final = Environment(loader=_loader, autoescape=True)


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
    """`environment` for a template of ours, whose parent is the application's and expects its globals."""
    return environment.overlay(
        block_start_string=usual.BLOCK_START_STRING,
        block_end_string=usual.BLOCK_END_STRING,
        variable_start_string=usual.VARIABLE_START_STRING,
        variable_end_string=usual.VARIABLE_END_STRING,
        comment_start_string=usual.COMMENT_START_STRING,
        comment_end_string=usual.COMMENT_END_STRING,
        line_statement_prefix=usual.LINE_STATEMENT_PREFIX,
        line_comment_prefix=usual.LINE_COMMENT_PREFIX,
        undefined=Undefined,
        finalize=None,
        autoescape=True,
        loader=_loader,
    )
