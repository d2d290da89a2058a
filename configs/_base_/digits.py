"""Data, schedule and runtime of the demo: scikit-learn's digits, 8x8 pixels."""

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
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='Digits', split='train', pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='Digits', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=0)
train_cfg = dict(by_epoch=True, max_epochs=20)
val_cfg = test_cfg = dict()
