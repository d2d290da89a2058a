"""Mistakes in schedules and taps of `distill_losses`, see mistake.py."""

from mistake import NO_NUMBER, Mistake, loss, nkd

NO_FACTOR = ('The schedule can not be built.', 'Write it as the message says.')


def mgd(wrote, *rest):
    return loss('MGDLoss', wrote, *rest)


def taps(student, teacher):
    return f'student_taps={student!r}, teacher_taps={teacher!r}'


LAYER = 'backbone.layer2'

MISTAKES = [
    # Schedules.
    nkd(
        "weight_schedule=dict(type='LinearLR', start_factor=0.1, end=20)",
        'warning',
        "[schedule-end] Expected the weight schedule of 'nkd'",
        'The loss never gets its full weight.',
        'End it within the training.',
    ),
    Mistake(
        'model = dict(distill_losses=dict(nkd=dict(weight_schedule='
        "dict(type='LinearLR', end=2))))\n"
        "train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', "
        'max_iters=8)',
        'ValueError',
        "[schedule-epochs] Expected the weight schedule of 'nkd'",
        'The training counts no epochs, so the weight would stay as it is.',
        'Set `by_epoch=False`.',
    ),
    nkd(
        "weight_schedule=dict(type='LinearLR', start_factor=0, end=2)",
        'ValueError',
        'Use 0.001, say, in place of 0',
        'Factors are multiplied, so 0 stays 0.',
        'Start at 0.001.',
    ),
    nkd(
        "weight_schedule=dict(type='LinearRL', end=2)",
        'ValueError',
        'LinearRL is not in the',
        *NO_FACTOR,
    ),
    nkd(
        "weight_schedule=dict(type='LinearLR', start_facto=0.1)",
        'ValueError',
        "'start_facto'",
        *NO_FACTOR,
    ),
    nkd(
        'weight_schedule=0.5',
        'TypeError',
        'Expected `weight_schedule` to be a scheduler',
        *NO_FACTOR,
    ),
    nkd(
        "weight_schedule=dict(type='CosineAnnealingMomentum', T_max=2)",
        'ValueError',
        'does not schedule a learning rate',
        *NO_FACTOR,
    ),
    Mistake(
        "model = dict(student_loss_schedule=dict(type='LinearLR', "
        'start_factor=0.1, end=20))',
        'warning',
        "[schedule-end] Expected the weight schedule of 'student'",
        "The student's own loss never gets its full weight.",
        'End it within the training.',
    ),
    # Taps.
    nkd(
        "student_taps='backbone.layer9'",
        'ValueError',
        "of the student DistilledClassifier, but got 'backbone.layer9'",
        'There is no such sub-module.',
        'Take one of the nearest.',
    ),
    nkd(
        "teacher_taps='backbone.layer9'",
        'ValueError',
        "of the teacher ImageClassifier, but got 'backbone.layer9'",
        'There is no such sub-module.',
        'Take one of the nearest.',
    ),
    nkd(
        "student_taps='backbone.layer2'",
        'ValueError',
        'Expected `logits_student` of shape (N, C)',
        'The loss compares logits, and the tap puts out maps.',
        'Leave out the tap, or take a loss on features.',
    ),
    nkd(
        'student_taps=3',
        'TypeError',
        'Expected taps to be a name',
        'A tap is the name of a sub-module.',
        "Write 'backbone.layer2', say.",
    ),
    nkd(
        "student_taps=['logits', 'backbone']",
        'TypeError',
        'to be a dense tensor',
        'The loss reads one output.',
        'Name one.',
    ),
    mgd(
        'loss_weight=1',
        'ValueError',
        'to name the features that it compares',
        'The loss does not know which features to compare.',
        'Set `student_taps` and `teacher_taps`.',
    ),
    mgd(
        taps(LAYER, 'head.fc'),
        'ValueError',
        'Expected features with a height and width',
        'The loss compares maps, and the tap puts out vectors.',
        'Name a layer before the pooling.',
    ),
    mgd(
        taps(LAYER, 'backbone.layer1'),
        'ValueError',
        'Expected',
        'The maps of student and teacher differ in size.',
        'Name stages of one size.',
    ),
    mgd(
        taps('backbone.layer2.0.relu', LAYER),
        'TapError',
        'Name a sub-module that runs once',
        'The sub-module runs twice, so its output is two.',
        'Name the block around it.',
    ),
    mgd(
        taps(LAYER, LAYER) + ', student_channels=3',
        'ValueError',
        'Expected `student_channels` to be 8',
        'The declared channels are not those of the tap.',
        'Correct or leave them out.',
    ),
    mgd(
        taps(LAYER, LAYER) + ", teacher_channels='8'",
        'ValueError',
        'Expected `teacher_channels` to be a positive int',
        *NO_NUMBER,
    ),
    mgd(
        taps(LAYER, LAYER) + ', mask_ratio=2',
        'ValueError',
        'Expected `mask_ratio` to be at least 0',
        'A share is below 1.',
        'Take 0.5, say.',
    ),
    loss(
        'SRRLLoss',
        'loss_weight=1',
        'TypeError',
        "missing 2 required keyword-only arguments: 'student_taps'",
        'The loss does not know which features to compare.',
        'Set both taps.',
    ),
    loss(
        'SRRLLoss',
        taps('head', 'head'),
        'ValueError',
        'Name a layer before the pooling',
        'The loss compares maps, and the tap puts out vectors.',
        'Name a layer before the pooling.',
    ),
    loss(
        'FeatureCosineLoss',
        "student_taps='backbone.layer2'",
        'TypeError',
        "missing 1 required keyword-only argument: 'teacher_taps'",
        'The loss does not know which features to compare.',
        'Set both taps.',
    ),
    loss(
        'USKDLoss',
        "student_taps='logits'",
        'ValueError',
        "Expected `student_taps` of USKD to be ['logits', a",
        'USKD reads a feature in the middle too.',
        "Write ['logits', 'backbone.layer3'], say.",
    ),
    loss(
        'USKDLoss',
        "student_taps=['logits', 'backbone.layer1'], num_classes=3",
        'ValueError',
        'Expected `num_classes` to be 10',
        'The declared classes are not those of the student.',
        'Correct or leave them out.',
    ),
    loss(
        'USKDLoss',
        "student_taps=['logits', 'backbone.layer1'], norm='no'",
        'TypeError',
        'Expected `norm` to be True or False',
        'A string that is not empty is true.',
        'Write False.',
    ),
]
