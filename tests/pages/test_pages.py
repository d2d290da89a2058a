"""Each command and snippet of README and docs does what the page says."""

import os

import pytest
from pages.story import ROOT, Story, blocks_of, has_slow_part

# The commands of results.md, which a tool writes, take hours.
PAGES = sorted(
    path
    for path in [*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')]
    if path.name != 'results.md'
)


@pytest.fixture
def story(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shared = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        shared = shared.parent  # of all workers
    return Story(tmp_path, shared)


@pytest.mark.docs
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_happens(page, story):
    for block in blocks_of(page, slow=False):
        story.run(block)


@pytest.mark.slow
@pytest.mark.parametrize(
    'page', [*filter(has_slow_part, PAGES)], ids=lambda page: page.stem
)
def test_the_slow_part_of_a_page_is_what_happens(page, story):
    for block in blocks_of(page, slow=True):
        story.run(block)
