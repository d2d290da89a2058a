"""Docstrings for the site: Sphinx's roles and equations as Markdown."""

from __future__ import annotations

import re
from textwrap import dedent

import griffe

EQUATION = re.compile(r'^( *)\.\. math::\n((?:\1 +.*\n|\s*\n)+)', re.MULTILINE)
INLINE = re.compile(r':math:`([^`]+)`')
NAME = re.compile(r':\w+:`([^`]+)`')


class Roles(griffe.Extension):
    """Rewrite each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Return a docstring with ``$...$`` and code spans in place of roles."""

    def display(found: re.Match[str]) -> str:
        indent, tex = found.groups()
        body = ' '.join(dedent(tex).split())
        return f'{indent}$$\n{indent}{body}\n{indent}$$\n\n'

    text = EQUATION.sub(display, text + '\n')
    text = INLINE.sub(lambda it: f'${" ".join(it[1].split())}$', text)
    text = NAME.sub(r'`\1`', text).rstrip()
    return text.replace('Example:\n', 'Examples:\n')
