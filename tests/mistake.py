"""A mistake in a config, and what its training says."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """Say what was written, what one sees and what to do.

    Attributes:
        wrote: Python that changes a good config, as an heir of it.
        kind: The error's type, or 'warning'.
        message: A part of what is said.
        means: What is wrong.
        fix: What to do.
        options: Of ``mmnkd train``.
    """

    wrote: str
    kind: str
    message: str
    means: str
    fix: str
    options: tuple = ()

    @property
    def shown(self):
        """Return what was written, or the options."""
        return self.wrote or ' '.join(self.options)

    @property
    def config(self):
        """Return the text of the config."""
        return f"_base_ = './base.py'\n{self.wrote}\n"


NO_FILE = ('The file is not there.', 'Correct the path, or train it first.')
NO_NUMBER = ('A number was expected.', 'Write a number without quotes.')
TYPO = ('An argument has a typo.', 'Take the nearest one.')


def model(wrote, *rest):
    return Mistake(f'model = dict({wrote})', *rest)


def teacher(wrote, *rest):
    return model(f'teacher=dict({wrote})', *rest)


def whole_teacher(wrote, *rest):
    return teacher(f'_delete_=True, {wrote}', *rest)


def losses(wrote, *rest):
    return model(f'distill_losses={wrote}', *rest)


def nkd(wrote, *rest):
    return losses(f'dict(nkd=dict({wrote}))', *rest)


def loss(kind, wrote, *rest):
    return losses(f'dict(more=dict(type={kind!r}, {wrote}))', *rest)
