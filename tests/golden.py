"""The golden values: what the authors' released code gives."""

from pathlib import Path

import numpy as np
import torch

GOLDEN = np.load(Path(__file__).parent / 'golden.npz')
CASES = sorted({key.rsplit('/', 1)[0] for key in GOLDEN.files})


def golden(case, field):
    return torch.from_numpy(GOLDEN[f'{case}/{field}'])


def settings_of(case):
    """Return the hyper-parameters of a case."""
    prefix = f'{case}/param.'
    return {
        key.removeprefix(prefix): GOLDEN[key].item()
        for key in GOLDEN.files
        if key.startswith(prefix)
    }
