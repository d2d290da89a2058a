"""The page: whole in one file, readable on a phone, whatever the names are."""

import re
import shutil
from html.parser import HTMLParser

import pytest

from mmnkd.compare import compare, write_page
from mmnkd.compare.page import _listed

pytest.importorskip('torchmetrics')
BROWSER = next(
    filter(None, map(shutil.which, ('chromium', 'google-chrome', 'chrome'))),
    None,
)
NASTY = '<b>"plain" & $x_1$'


@pytest.fixture(scope='module')
def page(trained, tmp_path_factory):
    """Write a page with everything on it."""
    named = [f'{NASTY}={trained}/plain_*', f'nkd={trained}/nkd_*']
    path = tmp_path_factory.mktemp('page') / 'deep' / 'report.html'
    write_page(compare(named, checkpoints=True), path)
    return path


class Reader(HTMLParser):
    """Collect the tags, what they refer to, and the ids."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.open = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ('meta', 'link', 'img'):
            self.open.append(tag)
        for name, value in attributes:
            if name in ('src', 'href', 'srcset', 'data', 'action', 'poster'):
                self.links.append(value)
            elif name == 'id':
                self.ids.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.remove(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_nothing_on_the_page_is_elsewhere(page):
    text = page.read_text(encoding='utf8')
    reader = Reader(text)
    assert reader.open == []
    assert reader.tags.isdisjoint({'script', 'iframe', 'object', 'base'})
    places = re.findall(r'url\(([^)]*)\)', text) + reader.links
    assert len(places) > 20
    for place in places:
        assert place.startswith(('#', 'data:'))
        if place.startswith('#'):
            assert place[1:] in reader.ids
    assert '@import' not in text
    assert page.stat().st_size < 2_000_000


def test_ids_are_the_charts_own(page):
    ids = Reader(page.read_text(encoding='utf8')).ids
    assert len(ids) == len(set(ids))


def test_a_name_is_text(page):
    text = page.read_text(encoding='utf8')
    assert '&lt;b&gt;' in text
    assert '<b>"' not in text
    assert '<b>&' not in text


def test_colors_are_those_of_the_page(page):
    text = page.read_text(encoding='utf8')
    drawings = ' '.join(re.findall(r'<svg.*?</svg>', text, re.DOTALL))
    for variable in ('s0', 's1', 'teacher', 'muted', 'grid'):
        assert f'--{variable}:' in text
    used = set(re.findall(r'var\(--(\w+)\)', drawings))
    assert used == {'s0', 's1', 'teacher', 'muted', 'grid'}
    assert not re.search(r': #[0-9a-f]{6}', drawings)


@pytest.mark.skipif(not BROWSER, reason='there is no browser')
@pytest.mark.parametrize('width', [1280, 390])
def test_a_browser_shows_it_and_loads_nothing(page, width):
    playwright = pytest.importorskip('playwright.sync_api')
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=BROWSER, args=['--no-sandbox']
        )
        tab = browser.new_page(viewport={'width': width, 'height': 900})
        requests, complaints = [], []
        tab.on('request', lambda request: requests.append(request.url))
        tab.on('console', lambda message: complaints.append(message.text))
        tab.goto(page.as_uri())
        asked = [url for url in requests if not url.startswith('data:')]
        assert asked == [page.as_uri()]
        assert complaints == []
        shown = 'Array.from(document.images, i => i.naturalWidth)'
        assert tab.evaluate(shown) == [8] * 24
        wider = 'document.documentElement.scrollWidth'
        assert tab.evaluate(wider) <= width
        assert tab.inner_text('h1') == f'nkd against {NASTY}'
        browser.close()


def test_logs_alone_make_a_page(trained, tmp_path):
    write_page(compare([f'only={trained}/nkd_1']), tmp_path / 'x.html')
    text = (tmp_path / 'x.html').read_text(encoding='utf8')
    assert '<h1>only</h1>' in text
    assert 'loss_nkd_target' in text
    assert 'Calibration' not in text


def test_the_best_is_the_smallest_where_smaller_is_better(log, tmp_path):
    values = enumerate((0.3, 0.05, 0.1), 1)
    lines = ['{"loss": 1.0, "epoch": 1, "iter": 1, "step": 1}']
    lines += [f'{{"calibration/ece": {v}, "step": {s}}}' for s, v in values]
    log('run', *lines)
    found = compare([f'a={tmp_path}/run'])
    (listed,) = _listed(found)
    assert (listed['final'], listed['best']) == (0.1, 0.05)


def test_seeds_without_a_common_validation_or_a_loss_make_a_page(
    log, tmp_path
):
    for seed in (1, 2):
        of_train = '{"time": 1.0, "epoch": 1, "iter": 1, "step": 1}'
        of_val = f'{{"accuracy/top1": 9.0, "step": {seed}}}'
        log(f'run_{seed}', of_train, of_val)
    write_page(compare([f'a={tmp_path}/run_*']), tmp_path / 'x.html')
    assert 'accuracy' in (tmp_path / 'x.html').read_text(encoding='utf8')


def test_a_missing_package_is_told_with_its_command(trained, monkeypatch):
    module = 'mmnkd.registry.find_spec'
    monkeypatch.setattr(module, lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "mmnkd\[report\]"'):
        compare([f'a={trained}/plain_1'])
