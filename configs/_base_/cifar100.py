"""mmpretrain's recipe for CIFAR-100, on files of any origin.

tools/prepare_cifar100.py makes them; where there are none, the official archive
is downloaded.
"""

_base_ = 'mmpretrain::resnet/resnet50_8xb16_cifar100.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
train_dataloader = dict(dataset=dict(type='LocalCIFAR100'))
val_dataloader = dict(dataset=dict(type='LocalCIFAR100'))
test_dataloader = dict(dataset=dict(type='LocalCIFAR100'))
