"""Mistakes in the model and its teacher, see mistake.py."""

from mistake import Mistake


def model(wrote, *rest):
    return Mistake(f'model = dict({wrote})', *rest)


def teacher(wrote, *rest):
    return model(f'teacher=dict({wrote})', *rest)


def whole_teacher(wrote, *rest):
    return teacher(f'_delete_=True, {wrote}', *rest)


NO_FILE = ('The file is not there.', 'Correct the path, or train it first.')
NO_NUMBER = ('A number was expected.', 'Write a number without quotes.')
TYPO = ('An argument has a typo.', 'Take the nearest one.')

MISTAKES = [
    # The type of the model.
    model(
        "type='ImageClassifier'",
        'ValueError',
        '[model-type] Expected a `model.type` that distills',
        'A plain classifier has no teacher.',
        "Write type='DistilledClassifier'.",
    ),
    model(
        "type='TimmClassifier'",
        'ValueError',
        "Write type='DistilledTimmClassifier'.",
        'A plain classifier has no teacher.',
        "Write type='DistilledTimmClassifier'.",
    ),
    model(
        "type='DistilledClasifier'",
        'KeyError',
        'DistilledClasifier is not in the',
        'The name of a class has a typo, or its module was not imported.',
        'Correct it; name modules in `custom_imports`.',
    ),
    model(
        "type='DistilledTimmClassifier'",
        'TypeError',
        'Expected a `model_name` of another library',
        'Students of timm have no `backbone`.',
        "Write type='DistilledClassifier'.",
    ),
    model(
        "type='DistilledHuggingFaceClassifier'",
        'TypeError',
        "Write type='DistilledClassifier'",
        'Students of transformers have no `backbone`.',
        "Write type='DistilledClassifier'.",
    ),
    model(
        "_delete_=True, type='ClassificationDistiller', teacher_cfg='t.py', "
        "student_cfg='s.py', distill_cfg=[], is_vit=False",
        'ValueError',
        '[foreign-key] Expected the config of a student',
        'The config is of cls_KD.',
        "Take the student's config, with `teacher` and `distill_losses`.",
    ),
    model(
        "_delete_=True, type='mmrazor.SingleTeacherDistill', "
        "architecture=dict(), teacher_ckpt='', distiller=dict()",
        'ValueError',
        "['architecture', 'distiller', 'teacher_ckpt']",
        'The config is of MMRazor.',
        "Take the student's config, with `teacher` and `distill_losses`.",
    ),
    # Arguments of the model.
    model(
        'student_loss_wieght=1',
        'TypeError',
        "'student_loss_wieght'. Nearest: 'student_loss_weight'",
        *TYPO,
    ),
    model(
        "distil_losses=dict(nkd=dict(type='NKDLoss'))",
        'TypeError',
        "Nearest: 'distill_losses'",
        *TYPO,
    ),
    model(
        'student_loss_weight=-1',
        'ValueError',
        'Expected `student_loss_weight` to be finite and at least 0',
        'The weight is negative.',
        'Take 0 or more.',
    ),
    model(
        "student_loss_weight='0.5'",
        'TypeError',
        'Expected `student_loss_weight` to be a number',
        *NO_NUMBER,
    ),
    model(
        'student_loss_weight=True',
        'TypeError',
        'Expected `student_loss_weight` to be a number, but got True',
        *NO_NUMBER,
    ),
    model(
        "ignore_findings='class-order'",
        'TypeError',
        'Expected `ignore_findings` to be a list',
        'One name is no list.',
        "Write ignore_findings=['class-order'].",
    ),
    model(
        "ignore_findings=['class-ordre']",
        'ValueError',
        "Nearest: ['class-order']",
        'No finding has this name.',
        'Take the nearest one.',
    ),
    model(
        "logits_tap='backbone'",
        'ValueError',
        'Expected (N, C) logits from `backbone`',
        'The sub-module puts out features.',
        'Name the layer that puts out logits.',
    ),
    model(
        "logits_tap='head.fcc'",
        'ValueError',
        "got 'head.fcc'. Nearest: ['head.fc'",
        'There is no such sub-module.',
        'Take the nearest one.',
    ),
    model(
        'head=None',
        'ValueError',
        'Expected a student with a `head` that puts out logits',
        'A student without a head has no logits to compare.',
        'Give it a head, or take losses on features.',
    ),
    model(
        'head=dict(num_classes=5)',
        'ValueError',
        "[class-count] Expected the student's head to have the 10 classes",
        'Some classes of the data have no output.',
        'Set `num_classes` to the count of the data.',
    ),
    model(
        'head=dict(num_classes=20)',
        'ValueError',
        'the student has 20 and `teacher` 10',
        'Student and teacher differ in their classes.',
        'Set `num_classes`, or `teacher.class_indices`.',
    ),
    model(
        'head=dict(in_channels=9)',
        'RuntimeError',
        'another number of channels than it declares',
        'The head does not fit what is before it.',
        'Set `head.in_channels` to the channels of the backbone.',
    ),
    model(
        'neck=None',
        'RuntimeError',
        'another number of channels than it declares',
        'The head gets maps where it wants vectors.',
        "Give the model neck=dict(type='GlobalAveragePooling').",
    ),
    model(
        "head=dict(type='MultiLabelLinearClsHead')",
        'ValueError',
        'Expected logits of single-label classes',
        'Several labels a sample do not fit a softmax.',
        'Take a single-label head, or set `logits_tap`.',
    ),
    model(
        "head=dict(type='ArcFaceClsHead')",
        'ValueError',
        'with a margin that depends on the target',
        "The head's output is no plain logit.",
        'Set `logits_tap` as the message says.',
    ),
    model(
        "head=dict(loss=dict(type='NKDLoss'))",
        'TypeError',
        'A loss of distillation was put into `head.loss`',
        "A distillation loss is not the student's own.",
        'Put it into `distill_losses`.',
    ),
    model(
        'backbone=dict(dept=18)',
        'TypeError',
        "unexpected keyword argument 'dept'",
        *TYPO,
    ),
    model(
        "init_cfg=dict(type='Pretrained', checkpoint='no.pth')",
        'FileNotFoundError',
        "none at 'no.pth'",
        *NO_FILE,
    ),
    model(
        "train_cfg=dict(augment=dict(type='Mixup', alpha=0.2))",
        'ValueError',
        'nothing reads `model.train_cfg.augment` (nearest: '
        'model.train_cfg.augments)',
        'MixUp would be off.',
        'Write `augments`.',
    ),
    model(
        "train_cfg=dict(augments=dict(type='MixUp', alpha=0.2))",
        'KeyError',
        'MixUp is not in the',
        'The name of a class has a typo.',
        "Write type='Mixup'.",
    ),
    model(
        "train_cfg=dict(augments=dict(type='Mixup', alpha=0))",
        'AssertionError',
        'the last lines of the traceback',
        'An argument has a value that it can not have.',
        'Look at the assertion in the traceback; here alpha > 0.',
    ),
    # Files of the teacher.
    teacher(
        "checkpoint='no.pth'",
        'ValueError',
        '[teacher-file] In `teacher`: Expected a checkpoint file',
        *NO_FILE,
    ),
    teacher(
        "model='no.py'",
        'ValueError',
        '[teacher-file] In `teacher`: Expected a config file',
        *NO_FILE,
    ),
    teacher(
        "model='resnet34_8xb32_in2k'",
        'ValueError',
        "Nearest: ['resnet34_8xb32_in1k'",
        'The model zoo has no such name.',
        'Take the nearest one, or the path of a config.',
    ),
    teacher(
        "model='resnet34_8xb32_in1k'",
        'ValueError',
        'the student has 10 and `teacher` 1000',
        'The teacher was trained on other data.',
        'Set `teacher.class_indices`, or take a teacher of these classes.',
    ),
    teacher(
        "checkpoint='page.pth'",
        'ValueError',
        "Expected 'page.pth' to be a checkpoint",
        'The file is a web page, no checkpoint.',
        'Download it again.',
    ),
    teacher(
        "checkpoint='cut.pth'",
        'ValueError',
        "Expected 'cut.pth' to be a checkpoint",
        'The file was not written or downloaded to its end.',
        'Fetch it again.',
    ),
    teacher(
        "checkpoint='files'",
        'ValueError',
        "none at 'files'",
        'It is a folder.',
        'Name the file.',
    ),
    teacher(
        "checkpoint='student.pth'",
        'ValueError',
        "Expected the weights in 'student.pth' to fit",
        'The weights are of another network.',
        'Give the checkpoint of this model.',
    ),
    teacher(
        "checkpoint='nan.pth'",
        'ValueError',
        '[teacher-nan] Expected finite outputs',
        'The teacher diverged, or its file is broken.',
        'Test the teacher alone.',
    ),
    teacher(
        "checkpoint='constant.pth'",
        'ValueError',
        '[teacher-constant] Expected the teacher to tell 16 images apart',
        'The teacher has learned nothing.',
        'Test the teacher alone.',
    ),
    teacher(
        "checkpoint='random.pth'",
        'warning',
        '[teacher-chance] Expected a teacher that knows the classes',
        'The teacher was not trained.',
        'Give the checkpoint of a trained one.',
    ),
    teacher(
        'checkpoint=None',
        'warning',
        'The teacher has no `checkpoint`. Its weights are random',
        'The teacher was not trained.',
        'Give its checkpoint.',
    ),
    teacher(
        "checkpoint='other_order.pth'",
        'ValueError',
        '[class-order] Expected the classes of the teacher in the order',
        "The teacher's class 0 is another one than the data's.",
        'Set `teacher.class_indices` as the message says.',
    ),
    teacher(
        "model='reversed.py'",
        'ValueError',
        '[class-order] Expected the classes of `teacher` in the order',
        'The teacher was trained on data whose class 0 is another one.',
        'Set `teacher.class_indices` as the message says.',
    ),
    teacher(
        "checkpoint='other_names.pth'",
        'warning',
        '[class-names] Expected the classes of the teacher to have the names',
        'The classes may be others.',
        "If they are the same: ignore_findings=['class-names'].",
    ),
    teacher(
        "model='twelve.py', checkpoint='twelve.pth'",
        'ValueError',
        'the student has 10 and `teacher` 12',
        'Student and teacher differ in their classes.',
        'Set `teacher.class_indices`.',
    ),
    teacher(
        "model='grey.py', checkpoint='grey.pth'",
        'ValueError',
        'to take images of shape (16, 3, 8, 8)',
        'The teacher wants images of one channel.',
        'Take a teacher of color images.',
    ),
    model(
        'backbone=dict(stem_channels=16, base_channels=16), '
        'head=dict(in_channels=32)',
        'warning',
        '[teacher-smaller] Expected the teacher to be larger',
        'Student and teacher may be swapped.',
        'Look which is which.',
    ),
    teacher(
        "model='four.py'",
        'ValueError',
        'Expected `mean` and `std`',
        "The teacher's `mean` and `std` are not of as many channels as the "
        'images.',
        'Give three numbers each, or one for all.',
    ),
    # Arguments of the teacher.
    model(
        'teacher=None',
        'ValueError',
        "Expected a `teacher`, which ['nkd'] of `distill_losses`",
        'The loss compares with a teacher.',
        'Give one, or take a loss without: TFNKDLoss, USKDLoss.',
    ),
    model(
        "teacher='teacher.py'",
        'TypeError',
        'Expected `teacher` to be a dict(model=..., checkpoint=...)',
        'A path alone does not tell the weights.',
        'Write teacher=dict(model=..., checkpoint=...).',
    ),
    model(
        'teacher=[]',
        'TypeError',
        'or a list of them, but got []',
        'There is no teacher in the list.',
        'Give at least one.',
    ),
    whole_teacher(
        "model='teacher.py'",
        'ValueError',
        'Expected `teacher.checkpoint`, but got none',
        'A teacher needs weights.',
        'Give their path or URL.',
    ),
    whole_teacher(
        "checkpoint='teacher.pth'",
        'TypeError',
        "missing 1 required positional argument: 'model'",
        'The weights do not tell the network.',
        'Give the config as `model`.',
    ),
    whole_teacher(
        "model=3, checkpoint='teacher.pth'",
        'TypeError',
        'Expected a config file, a name from the model zoo or a model dict',
        'The model has a wrong type.',
        'Give a path, a name or a dict.',
    ),
    whole_teacher(
        "model=dict(backbone=dict(type='ResNet')), checkpoint=None",
        'ValueError',
        "Expected a model dict with a 'type'",
        'The dict does not say which class it is.',
        "Add type='ImageClassifier'.",
    ),
    whole_teacher(
        "model=dict(type='ImageClassifier', backbone=dict(type='ResNat')), "
        'checkpoint=None',
        'KeyError',
        'ResNat is not in the',
        'The name of a class has a typo.',
        'Correct it.',
    ),
    whole_teacher(
        "model=dict(type='TimmClassifier', model_name='resnet10tt'), "
        'checkpoint=None',
        'RuntimeError',
        'timm.list_models()',
        'timm has no such network.',
        'Take a name from timm.list_models().',
    ),
    whole_teacher(
        "cache='no_store'",
        'ValueError',
        'Run first: mmnkd cache CONFIG --out no_store',
        'No outputs were stored there.',
        'Run `mmnkd cache` first, or correct the path.',
    ),
    teacher(
        "check_point='x.pth'",
        'TypeError',
        "'check_point'. Nearest: 'checkpoint'",
        *TYPO,
    ),
    teacher(
        "mode='evil'",
        'ValueError',
        "Expected `teacher.mode` to be 'eval' or 'train'",
        'There is no such mode.',
        'Leave it out for eval.',
    ),
    teacher(
        "mode='train', compile=True",
        'ValueError',
        "Expected no `dtype` or `compile` of a `teacher` in mode 'train'",
        'In this mode nothing can be compared.',
        'Leave one of them out.',
    ),
    teacher(
        "dtype='int8'",
        'ValueError',
        'Expected `teacher.dtype` to be one of',
        'Autocast has no such precision.',
        "Take 'bfloat16' or 'float16'.",
    ),
    teacher(
        "accelerate='False'",
        'TypeError',
        'Expected `teacher.accelerate` to be True or False',
        'A string that is not empty is true.',
        'Write False without quotes.',
    ),
    teacher(
        "compile='no'",
        'TypeError',
        'Expected `teacher.compile` to be True or False',
        'A string that is not empty is true.',
        'Write False.',
    ),
    teacher(
        'input_size=0',
        'ValueError',
        'Expected `teacher.input_size` to be a positive int',
        'Images have at least one pixel.',
        'Give the size that the teacher was trained on.',
    ),
    teacher(
        'input_size=(8, 8, 8)',
        'ValueError',
        '(height, width), but got (8, 8, 8)',
        'Images have two sides.',
        'Give an int or (height, width).',
    ),
    teacher(
        'input_size=1',
        'warning',
        'on the first batch at `input_size=(1, 1)`',
        'The teacher sees nothing at this size.',
        'Give the size that it was trained on.',
    ),
    teacher(
        'class_indices=[1] * 10',
        'ValueError',
        '[class-indices] Expected `class_indices`',
        'Several classes get the same column.',
        "Give each of the student's classes its own.",
    ),
    teacher(
        'class_indices=[0, 1, 2]',
        'ValueError',
        "an index for each of the student's 10 classes, but it has 3",
        'Some classes have no teacher.',
        "Give one for each of the student's classes.",
    ),
    teacher(
        'class_indices=[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]',
        'ValueError',
        'Leave out `teacher.class_indices`.',
        'The indices put the classes into another order.',
        'Correct them as the message says.',
    ),
    teacher(
        'class_indices=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]',
        'ValueError',
        'from 0 to 9, as it has 10 classes, but got 10',
        'The indices count from 1.',
        'Count from 0.',
    ),
    teacher(
        "class_indices='0 1 2'",
        'ValueError',
        'Expected `teacher.class_indices` to be a list of ints',
        'A string is no list.',
        'Write [0, 1, 2].',
    ),
    teacher(
        "logits_tap='backbone'",
        'ValueError',
        'Set `teacher.logits_tap` to the sub-module that puts them out',
        'The sub-module puts out features.',
        'Name the layer that puts out logits.',
    ),
    teacher(
        "logits_tap='head.fcc'",
        'ValueError',
        "got 'head.fcc'. Nearest: ['head.fc'",
        'There is no such sub-module.',
        'Take the nearest one.',
    ),
    model(
        "teacher=[dict(model='teacher.py', checkpoint='teacher.pth', "
        'weight=-1)]',
        'ValueError',
        'Expected `teacher[0].weight` to be positive',
        'A teacher would teach the opposite.',
        'Take a weight > 0.',
    ),
    model(
        "teacher=[dict(model='teacher.py', checkpoint='teacher.pth'), "
        "dict(model='teacher.py', checkpoint='no.pth')]",
        'ValueError',
        '[teacher-file] In `teacher[1]`',
        *NO_FILE,
    ),
]
