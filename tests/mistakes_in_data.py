"""Mistakes in data sets, pipelines and preprocessing, see mistake.py."""

from mistake import Mistake

TYPO = ('An argument has a typo.', 'Correct it.')
NAME = (
    'The name of a class has a typo, or its module was not imported.',
    'Correct it; name modules in `custom_imports`.',
)
CHANNELS = (
    '`mean` and `std` are not of as many channels as the images.',
    'Give three numbers each, or one for all.',
)


def loader(wrote, *rest):
    return Mistake(f'train_dataloader = dict({wrote})', *rest)


def dataset(wrote, *rest):
    return loader(f'dataset=dict({wrote})', *rest)


def other(wrote, *rest):
    pipeline = "pipeline=[dict(type='PackInputs')]"
    return dataset(f'_delete_=True, {wrote}, {pipeline}', *rest)


def pipeline(wrote, *rest):
    return dataset(f'pipeline=[{wrote}]', *rest)


def preprocessor(wrote, *rest):
    return Mistake(f'data_preprocessor = dict({wrote})', *rest)


def mixup(wrote, *rest):
    augments = "dict(augments=dict(type='Mixup', alpha=0.8))"
    more = f'\nmodel = dict(train_cfg={augments})'
    return Mistake(f'data_preprocessor = dict({wrote}){more}', *rest)


MISTAKES = [
    # The data set.
    dataset("type='Digit'", 'KeyError', 'Digit is not in the', *NAME),
    dataset(
        "split='training'",
        'ValueError',
        "Expected `split` to be 'train' or 'test'",
        'There is no such split.',
        'Take one of those.',
    ),
    dataset(
        'indices=0',
        'ValueError',
        '[no-images] Expected images in the data set',
        'The data set is empty.',
        'Look at its folders and files.',
    ),
    other(
        "type='CustomDataset', data_root='nowhere'",
        'FileNotFoundError',
        'Look at `data_root`',
        'The folder of the data is not there.',
        'Correct `data_root`.',
    ),
    other(
        "type='CustomDataset', data_root='files'",
        'RuntimeError',
        'Look at `data_root`',
        'The folder has no images.',
        'Correct `data_root` and `data_prefix`.',
    ),
    other(
        "type='CIFAR10', data_root='nowhere', split='train', download=False",
        'RuntimeError',
        'Look at `data_root`',
        'The folder of the data is not there.',
        'Correct `data_root`.',
    ),
    other(
        "type='CIFAR100', data_root='nowhere', split='train'",
        'ValueError',
        "[class-count] Expected the student's head to have the 100 classes",
        'The head was made for other data.',
        'Set `num_classes`.',
    ),
    dataset(
        'metainfo=dict(classes=[str(9 - i) for i in range(10)])',
        'ValueError',
        '[class-order] Expected the classes of the teacher in the order',
        "The data's class 0 is another one than the teacher's.",
        'Set `teacher.class_indices` as the message says.',
    ),
    dataset(
        "metainfo=dict(classes=['cat', 'dog'])",
        'ValueError',
        '[class-count] Expected the 2 classes of the data set',
        'The data has other classes than the networks.',
        'Set `num_classes`, and take a teacher of these classes.',
    ),
    dataset(
        'metainfo=dict(classes=[str(i) for i in range(12)])',
        'ValueError',
        "[class-count] Expected the student's head to have the 12 classes",
        'Some classes of the data have no output.',
        'Set `num_classes`.',
    ),
    Mistake(
        "train_dataloader = dict(dataset=dict(metainfo=dict(classes=['a', "
        "'b', 'c', 'd', 'e'])))\n"
        'model = dict(head=dict(num_classes=5), teacher=dict(class_indices='
        '[0, 1, 2, 3, 4]))',
        'ValueError',
        '[label-range] Expected labels from 0 to 4',
        'Labels are not among the classes of the head.',
        'Set `num_classes`, or count the labels from 0.',
    ),
    # The pipeline.
    Mistake(
        "train_pipeline = [dict(type='PackInputs')]",
        'ValueError',
        'nothing reads `train_pipeline` (nearest: '
        'train_dataloader.dataset.pipeline)',
        'The data set has the pipeline of the base config.',
        'Set it in `train_dataloader.dataset`.',
    ),
    dataset(
        'pipeline=[]',
        'KeyError',
        "must end in dict(type='PackInputs')",
        'Samples are not packed.',
        "End the pipeline in dict(type='PackInputs').",
    ),
    pipeline("dict(type='PackInput')", 'KeyError', 'PackInput is not', *NAME),
    pipeline(
        "dict(type='RandomCorp'), dict(type='PackInputs')",
        'KeyError',
        'RandomCorp is not in the',
        *NAME,
    ),
    pipeline(
        "dict(type='RandomCrop', crop_size=8, paddding=1), "
        "dict(type='PackInputs')",
        'TypeError',
        "'paddding'",
        *TYPO,
    ),
    pipeline(
        "dict(type='LoadImageFromFile'), dict(type='PackInputs')",
        'KeyError',
        'has no files to load',
        'The images are in memory already.',
        'Leave out LoadImageFromFile.',
    ),
    pipeline(
        "dict(type='Normalize', mean=[0, 0, 0], std=[0, 1, 1]), "
        "dict(type='PackInputs')",
        'ValueError',
        '[images-nan] Expected images of finite numbers',
        'A standard deviation is 0.',
        'Leave Normalize out: `data_preprocessor` normalizes.',
    ),
    # Preprocessing.
    preprocessor(
        'std=[0.0, 1.0, 1.0]',
        'ValueError',
        '[std-0] Expected `std`',
        'Images are divided by it.',
        'Give the standard deviation of each channel.',
    ),
    preprocessor(
        "mean=[float('nan')] * 3",
        'ValueError',
        '[images-nan] Expected images of finite numbers',
        'NaN is no number.',
        'Give the mean of each channel.',
    ),
    preprocessor(
        'mean=[77.8] * 4, std=[95.8] * 4',
        'ValueError',
        'Expected `mean` and `std` in the `data_preprocessor` of student and',
        *CHANNELS,
    ),
    preprocessor(
        'mean=[77.8] * 2, std=[95.8] * 2',
        'ValueError',
        'Expected `mean` and `std` in the `data_preprocessor` of student and',
        *CHANNELS,
    ),
    preprocessor('maen=[77.8] * 3', 'TypeError', "'maen'", *TYPO),
    preprocessor(
        'num_classes=5, to_onehot=True',
        'RuntimeError',
        '`data_preprocessor.num_classes`',
        'Labels are not among its classes.',
        'Set it to the count of the data.',
    ),
    mixup(
        'num_classes=5',
        'RuntimeError',
        '`data_preprocessor.num_classes`',
        'Labels are not among its classes.',
        'Set it to the count of the data.',
    ),
    mixup(
        'num_classes=20',
        'RuntimeError',
        '`data_preprocessor.num_classes`',
        'Mixed labels have more classes than the head.',
        'Set it to the count of the data.',
    ),
    mixup(
        'num_classes=None',
        'AssertionError',
        'not set `num_classes` in `data_preprocessor`',
        'Mixed labels need the count of the classes.',
        'Set `data_preprocessor.num_classes`.',
    ),
    # The loader.
    loader(
        'batch_size=0',
        'ValueError',
        'batch_size should be a positive integer',
        'A batch has at least one image.',
        'Take 1 or more.',
    ),
    loader('batch_sise=16', 'TypeError', "'batch_sise'", *TYPO),
    loader(
        'batch_size=128, drop_last=True',
        'ValueError',
        '[no-images] Expected a whole batch',
        'No batch is left to train on.',
        'Set a smaller `batch_size`, or `drop_last=False`.',
    ),
    loader(
        'persistent_workers=True',
        'ValueError',
        'persistent_workers option needs num_workers > 0',
        'Without workers none can stay.',
        'Set `persistent_workers=False`.',
    ),
    loader(
        "sampler=dict(type='DefaultSample')",
        'KeyError',
        'DefaultSample is not in the',
        *NAME,
    ),
    Mistake(
        'train_dataloader = None',
        'ValueError',
        'should be either all None or not None',
        'A training needs data, a length and an optimizer.',
        'Give all three.',
    ),
    Mistake(
        'val_dataloader = None',
        'ValueError',
        'should be either all None or not None',
        'A validation needs data, a loop and an evaluator.',
        'Set `val_cfg` and `val_evaluator` to None too.',
    ),
    Mistake(
        "val_evaluator = dict(type='Accuracyy')",
        'KeyError',
        'Accuracyy is not in the',
        *NAME,
    ),
    Mistake(
        'val_evaluator = dict(topk=(1, 50))',
        'ValueError',
        'Top-50 accuracy is unavailable',
        'There are fewer classes.',
        'Take a smaller `topk`.',
    ),
]
