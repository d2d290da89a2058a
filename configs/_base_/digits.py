"""Data and runtime of the demo: scikit-learn's handwritten digits, 8x8."""

custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
default_scope = 'mmpretrain'

data_preprocessor = dict(
    num_classes=10, mean=[77.8] * 3, std=[95.8] * 3, to_rgb=True
)
train_pipeline = [
    dict(type='RandomCrop', crop_size=8, padding=1),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]
# The images are in memory: a worker process would only cost time.
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='Digits', split='train', pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = test_dataloader = dict(
    batch_size=256,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='Digits', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))

max_epochs = 15
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=max_epochs, convert_to_iter_based=True
)
auto_scale_lr = dict(base_batch_size=64)

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    # Two, because a bare Runner deletes one before it writes the next. At the
    # end, the weights alone as well: plain mmpretrain reads those anywhere.
    checkpoint=dict(
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=2,
        published_keys=['meta', 'state_dict'],
    ),
)
randomness = dict(seed=0)
