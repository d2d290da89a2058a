"""The model cards: readable by OpenMMLab's tools, and of files that exist."""

import re

import pytest
from command import ROOT
from mmengine.config import Config
from modelindex.load_model_index import load

FOLDERS = sorted(path.parent for path in ROOT.glob('configs/*/metafile.yml'))


@pytest.fixture(scope='module')
def index():
    index = load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    return index


def test_every_config_has_a_card_and_every_card_a_config(index):
    configs = [str(model.config) for model in index.models]
    files = ROOT.glob('configs/*/*_*xb*_*.py')
    assert sorted(configs) == sorted(str(f.relative_to(ROOT)) for f in files)
    for model in index.models:
        assert (ROOT / model.config).stem == model.name


def test_every_method_folder_has_a_readme_that_links_its_configs(index):
    readmes = {ROOT / c.readme for c in index.collections}
    assert readmes == {folder / 'README.md' for folder in FOLDERS}
    for readme in readmes:
        linked = set(re.findall(r'\]\((?!http)([^)]+)\)', readme.read_text()))
        paths = {(readme.parent / target).resolve() for target in linked}
        assert all(path.exists() for path in paths), linked
        assert paths >= set(readme.parent.glob('*.py'))


def test_distilled_models_name_student_and_teacher(index):
    for model in index.models:
        data = model.metadata.data if model.metadata else {}
        config = Config.fromfile(ROOT / model.config).model
        if 'Distilled' in config.type:
            assert data['Student']
        assert ('Teacher' in data) == ('teacher' in config)


def test_numbers_of_cards_and_configs_agree_and_say_whose_they_are(index):
    for model in index.models:
        folder = (ROOT / model.config).parent
        docstring = (ROOT / model.config).read_text().split('"""')[1]
        if folder.name == 'demo':
            continue
        if not model.results:
            assert 'No number of the paper is known' in docstring
            continue
        assert model.metadata.data['Results Reported By'] == 'the paper'
        (result,) = model.results
        top1 = result.metrics['Top 1 Accuracy']
        assert f"Top-1, the paper's: {top1:.2f}" in docstring
        row = next(
            line
            for line in (folder / 'README.md').read_text().splitlines()
            if f'{model.name}.py' in line and line.startswith('|')
        )
        assert f'| {top1:.2f} |' in row
