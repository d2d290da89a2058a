"""Mistakes in the files of a teacher, see mistake.py."""

from mistake import NO_FILE, model, teacher

MISTAKES = [
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
]
