"""The notebook runs from its first cell to its last."""

import pytest
from pages.story import ROOT, environment

nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')
NOTEBOOK = ROOT / 'examples' / 'digits.ipynb'


def printed(notebook):
    return ''.join(
        output.get('text', '')
        for cell in notebook.cells
        for output in cell.get('outputs', ())
    )


def test_its_outputs_are_kept_and_small():
    assert 'top-1' in printed(nbformat.read(NOTEBOOK, 4))
    assert NOTEBOOK.stat().st_size < 100_000


@pytest.mark.docs
def test_the_notebook_runs(tmp_path, monkeypatch):
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'examples').mkdir()
    notebook = nbformat.read(NOTEBOOK, 4)
    where = {'metadata': {'path': tmp_path / 'examples'}}
    nbclient.NotebookClient(notebook, timeout=900, resources=where).execute()
    assert printed(notebook).rstrip().endswith('True')
