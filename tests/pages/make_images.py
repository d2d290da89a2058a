"""Make random images by class: make_images.py FOLDER CLASS..."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def main(folder, *classes):
    draw = np.random.default_rng(0)
    for name in classes:
        (Path(folder) / name).mkdir(parents=True)
        for number in range(2):
            pixels = draw.integers(256, size=(64, 64, 3), dtype=np.uint8)
            image = Image.fromarray(pixels)
            image.save(Path(folder) / name / f'{number}.jpg')


if __name__ == '__main__':
    main(*sys.argv[1:])
