"""What the docs say about the code is true of the code."""

import re

import pytest
from command import ROOT
from mmengine.config import Config

import mmnkd.losses
from mmnkd.classifier.losses import LossDict

LOSSES = (ROOT / 'docs' / 'losses.md').read_text()
LINK = re.compile(r'\[([^\]]+)\]\((?!http)([^)#\s]*)(#[^)\s]+)?\)')
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')])


def anchors(page):
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    kept = [re.sub(r'[^\w\- ]', '', heading.lower()) for heading in headings]
    return {heading.replace(' ', '-') for heading in kept}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for _, target, anchor in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor[1:] in anchors(path), anchor


def test_every_loss_of_the_page_has_its_equation_code_and_test():
    described = set()
    for section in LOSSES.split('\n## ')[1:]:
        if '$$L =' not in section:
            continue
        (name,) = re.findall(r'`(\w+Loss)`,', section)
        described.add(name)
        for part in ('Code', 'Tests', 'Mixed labels'):
            assert f'- {part}: ' in section
        config = re.search(r'- Config: `(dict\(.*\))`', section)[1]
        loss = Config.fromstring(f'loss = {config}', '.py').loss
        assert type(LossDict({'it': loss})['it']).__name__ == name
    kinds = {
        name: getattr(mmnkd.losses, name) for name in mmnkd.losses.__all__
    }
    bases = {parent for kind in kinds.values() for parent in kind.__mro__[1:]}
    assert described == {n for n, kind in kinds.items() if kind not in bases}


def test_lines_of_code_and_tests_that_are_named_exist():
    named = [
        (text.strip('`'), ROOT / 'docs' / target)
        for text, target, _ in LINK.findall(LOSSES)
        if text.startswith('`') and target
    ]
    assert named
    for text, path in named:
        content = path.read_text()
        if text.startswith('test_'):
            assert f'def {text}(' in content, text
        else:
            assert ''.join(text.split()) in ''.join(content.split()), text
