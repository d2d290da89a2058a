"""As folder.py, but the student starts from the model zoo's weights.

No number: it depends on your images.

mmnkd train configs/custom/folder_teacher.py
mmnkd train configs/custom/finetune.py
"""

_base_ = './folder.py'

# Without the head, whose classes are ImageNet's.
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/resnet18_8xb32_in1k_20210831-fbbb1da6.pth',
            prefix='backbone',
        )
    )
)
