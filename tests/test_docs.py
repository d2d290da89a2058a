"""What the docs say about the code is true of the code."""

import re

import pytest
from command import ROOT

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
    sections = [s for s in LOSSES.split('\n## ')[1:] if '$$L =' in s]
    assert len(sections) == 10
    for section in sections:
        (name,) = re.findall(r'`(\w+Loss)`,', section)
        assert hasattr(mmnkd.losses, name)
        for part in ('Code', 'Tests', 'Mixed labels'):
            assert f'- {part}: ' in section
        assert '](../configs/' in section
        config = eval(re.search(r'- Config: `(dict\(.*\))`', section)[1])
        loss = LossDict({'loss': config})['loss']
        assert type(loss) is getattr(mmnkd.losses, name)


def test_lines_of_code_and_tests_that_are_named_exist():
    named = [
        (text.strip('`'), ROOT / 'docs' / target)
        for text, target, _ in LINK.findall(LOSSES)
        if text.startswith('`') and target
    ]
    assert len(named) > 30
    for text, path in named:
        content = path.read_text()
        if 'tests' in path.parts:
            assert f'def {text}(' in content, text
        else:
            assert ''.join(text.split()) in ''.join(content.split()), text
