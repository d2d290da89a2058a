"""Data and recipe of configs/cifar100: 20 epochs, for one CPU thread."""

custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
default_scope = 'mmpretrain'

data_preprocessor = dict(
    num_classes=100,
    mean=[129.3, 124.1, 112.4],
    std=[68.2, 65.4, 70.4],
    to_rgb=False,  # the files have RGB
)
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
# The images are in memory: a worker process would only cost time. Runs of all
# seeds see the same views, in another order, so they share a stored teacher.
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='ReplayedDataset',
        dataset=dict(
            type='LocalCIFAR100',
            data_root='data/cifar100',
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
        type='LocalCIFAR100',
        data_root='data/cifar100',
        split='test',
        pipeline=[dict(type='PackInputs')],
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))

max_epochs = 20
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.2, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
)
param_scheduler = dict(
    type='OneCycleLR',
    eta_max=0.2,
    total_steps=max_epochs,
    convert_to_iter_based=True,
)
auto_scale_lr = dict(base_batch_size=128)

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
