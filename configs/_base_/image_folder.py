"""Your images in data/my_images/{train,val}/CLASS/, and 20 epochs on them.

Set `num_classes` to your number of classes. Each config of configs/custom
inherits this file.
"""

_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)

num_classes = 3
data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/my_images/train',
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/my_images/val',
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))

max_epochs = 20
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
val_cfg = test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=max_epochs, convert_to_iter_based=True
)
auto_scale_lr = dict(base_batch_size=32)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2, save_best='auto'))
