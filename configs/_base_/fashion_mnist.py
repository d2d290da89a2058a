"""Data and recipe of configs/fashion_mnist, for one CPU thread."""

custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
default_scope = 'mmpretrain'

data_preprocessor = dict(num_classes=10, mean=[72.94], std=[90.02])
train_pipeline = [
    dict(type='Resize', scale=32),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='Resize', scale=32), dict(type='PackInputs')]
# The images are in memory: a worker process would only cost time. Runs of all
# seeds see the same views, in another order, so they share a stored teacher.
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,  # LeNet5 takes no batch of 1
    dataset=dict(
        type='ReplayedDataset',
        dataset=dict(
            type='FashionMNIST',
            data_root='data/fashion_mnist',
            split='train',
            pipeline=train_pipeline,
        ),
    ),
    sampler=dict(
        type='ReplayedSampler',
        sampler=dict(type='DefaultSampler', shuffle=True),
    ),
)
val_dataloader = test_dataloader = dict(
    batch_size=500,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='FashionMNIST',
        data_root='data/fashion_mnist',
        split='test',
        test_mode=True,  # mmpretrain 1.2 reads the training images without
        pipeline=test_pipeline,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))

max_epochs = 12
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=max_epochs, convert_to_iter_based=True
)
auto_scale_lr = dict(base_batch_size=64)

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=200),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
