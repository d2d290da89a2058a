"""The model cards: readable by OpenMMLab's tools, and of files that exist."""

from pathlib import Path

from mmengine.config import Config
from modelindex.load_model_index import load

ROOT = Path(__file__).parents[1]


def test_every_demo_config_has_a_card_and_parses():
    index = load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    configs = {str(model.config) for model in index.models}
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'configs').glob('*/*_*xb*_*.py')
    }
    assert configs == there
    for model in index.models:
        assert (ROOT / model.config).stem == model.name
        assert Config.fromfile(ROOT / model.config).model.head.num_classes
    for collection in index.collections:
        assert (ROOT / collection.readme).is_file()
