"""Put configs, tools and model-index.yml into the wheel, as mim expects them.

All else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithMim(build_py):
    """Copy what OpenMMLab's tools look for under ``mmnkd/.mim``."""

    def run(self):
        """Build the package, then add the folder."""
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).parent
        mim = Path(self.build_lib) / 'mmnkd' / '.mim'
        no_cache = shutil.ignore_patterns('__pycache__')
        for name in ('configs', 'tools'):
            shutil.copytree(
                root / name, mim / name, ignore=no_cache, dirs_exist_ok=True
            )
        shutil.copy(root / 'model-index.yml', mim)


setup(cmdclass={'build_py': BuildWithMim})
