"""A Hugging Face student on your images, with NKD from folder_teacher.py.

No number: it depends on your images.

mmnkd train configs/custom/folder_teacher.py
mmnkd train configs/custom/hugging_face.py
"""

_base_ = '../_base_/image_folder.py'

model = dict(
    type='DistilledHuggingFaceClassifier',  # was HuggingFaceClassifier
    model_name='facebook/deit-tiny-patch16-224',
    pretrained=True,
    num_labels=_base_.num_classes,
    ignore_mismatched_sizes=True,  # its head is new
    teacher=dict(
        model='{{ fileDirname }}/folder_teacher.py',
        checkpoint='work_dirs/folder_teacher/epoch_20.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.05)
)
