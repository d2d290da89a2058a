"""Samples that a worker remembers from one run to the next."""

from typing import Any

from evidence_plan import digest
from mmengine.config import Config
from mmengine.registry import DATASETS


@DATASETS.register_module()
class RememberedDataset:
    """Make each sample once, for all runs of this process.

    For samples that depend on their index alone, as a ReplayedDataset's do.

    Args:
        dataset: Its config.
    """

    memory: dict[str, dict] = {}  # samples by index, by name_of(dataset)

    def __init__(self, dataset: dict) -> None:
        self.samples = self.memory.setdefault(name_of(dataset), {})
        self.dataset: Any = DATASETS.build(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def __getitem__(self, index: Any) -> dict:
        """Return the sample, which nothing may change."""
        if index not in self.samples:
            self.samples[index] = self.dataset[index]
        return self.samples[index]


def remember(config: Config) -> None:
    """Let a run take samples from memory, and forget all other data.

    Of views that are drawn anew in each epoch it remembers none.
    """
    loaders = [config.val_dataloader]
    if config.train_dataloader.dataset.type == 'ReplayedDataset':
        loaders.append(config.train_dataloader)
    for loader in loaders:
        loader.dataset = {
            'type': 'RememberedDataset',
            'dataset': loader.dataset,
        }
    names = {name_of(loader.dataset.dataset) for loader in loaders}
    for name in RememberedDataset.memory.keys() - names:
        del RememberedDataset.memory[name]


def name_of(dataset: dict) -> str:
    return digest(Config({'dataset': dataset}))
