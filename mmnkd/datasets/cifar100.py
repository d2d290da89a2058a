"""CIFAR-100 from files of any origin in the official layout."""

from mmengine.registry import DATASETS
from mmpretrain.datasets import CIFAR100


@DATASETS.register_module()
class LocalCIFAR100(CIFAR100):
    """CIFAR-100 from the files that are there, whoever made them.

    mmpretrain's ``CIFAR100`` wants the official md5 sums, which no other files
    of the same images have. Where there are none, it downloads the official
    archive. Pickles can run code: take that archive, or files that
    ``tools/prepare_cifar100.py`` made.
    """

    train_list = [['train', None]]
    test_list = [['test', None]]
