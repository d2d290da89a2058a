"""Mistakes in `distill_losses`, see mistake.py."""

from mistake import Mistake

NO_NUMBER = ('A number was expected.', 'Write a number without quotes.')
TYPO = ('An argument has a typo.', 'Take the nearest one.')
OWN = (
    'It is a loss of the student alone, and would read logits as a target.',
    'Put it into `head.loss`.',
)
NO_FACTOR = ('The schedule can not be built.', 'Write it as the message says.')


def losses(wrote, *rest):
    return Mistake(f'model = dict(distill_losses={wrote})', *rest)


def nkd(wrote, *rest):
    return losses(f'dict(nkd=dict({wrote}))', *rest)


def loss(kind, wrote, *rest):
    return losses(f'dict(more=dict(type={kind!r}, {wrote}))', *rest)


def mgd(wrote, *rest):
    return loss('MGDLoss', wrote, *rest)


def taps(student, teacher):
    return f'student_taps={student!r}, teacher_taps={teacher!r}'


LAYER = 'backbone.layer2'

MISTAKES = [
    # The form.
    losses(
        "[dict(type='NKDLoss')]",
        'TypeError',
        'Expected `distill_losses` to be a dict of losses by name',
        'Losses have names, by which they are logged.',
        "Write dict(nkd=dict(type='NKDLoss')).",
    ),
    losses(
        "dict(_delete_=True, type='NKDLoss')",
        'TypeError',
        'Expected each of `distill_losses` to be a config',
        'Losses have names, by which they are logged.',
        "Write dict(nkd=dict(type='NKDLoss')).",
    ),
    losses(
        'dict(_delete_=True)',
        'warning',
        '[no-losses] Expected some `distill_losses`',
        'The student trains alone.',
        'Add a loss.',
    ),
    losses(
        'None',
        'warning',
        'The `teacher` will not be built',
        'The student trains alone.',
        'Add a loss.',
    ),
    losses(
        "dict(loss_nkd=dict(type='NKDLoss'))",
        'ValueError',
        "Expected names of `distill_losses` without 'loss'",
        'The log puts `loss_` in front.',
        'Leave it out of the name.',
    ),
    losses(
        "{'my-nkd': dict(type='NKDLoss')}",
        'ValueError',
        'that are identifiers',
        'The name is part of names of parameters.',
        'Take letters, digits and _.',
    ),
    losses(
        "dict(keys=dict(type='NKDLoss'))",
        'ValueError',
        'no attribute of a torch ModuleDict',
        'A dict has something of this name already.',
        'Rename the loss.',
    ),
    nkd(
        "type='NDKLoss'",
        'ValueError',
        "Nearest: ['NKDLoss'",
        'The name of the class has a typo, or its file was not imported.',
        'Take the nearest one; a file of your own is for `custom_imports`.',
    ),
    nkd(
        '_delete_=True, temperature=1.0',
        'ValueError',
        'to have the `type` of a registered loss, but got None',
        'The loss does not say which class it is.',
        'Add its `type`.',
    ),
    # Losses that are none for distillation.
    losses(
        "dict(ce=dict(type='CrossEntropyLoss'))",
        'TypeError',
        'belongs in `head.loss`',
        *OWN,
    ),
    losses(
        "dict(focal=dict(type='FocalLoss'))",
        'TypeError',
        'belongs in `head.loss`',
        *OWN,
    ),
    losses(
        "dict(asl=dict(type='AsymmetricLoss'))",
        'TypeError',
        'belongs in `head.loss`',
        *OWN,
    ),
    losses(
        "dict(ls=dict(type='LabelSmoothLoss', label_smooth_val=0.1))",
        'TypeError',
        'belongs in `head.loss`',
        *OWN,
    ),
    # Numbers and switches.
    nkd(
        'temperature=0',
        'ValueError',
        'Expected `temperature` to be positive',
        'Logits are divided by it.',
        'Take 1 or more.',
    ),
    nkd(
        'temperature=True',
        'TypeError',
        'Expected `temperature` to be a number, but got True',
        *NO_NUMBER,
    ),
    nkd(
        "temperature='1'",
        'TypeError',
        "Expected `temperature` to be a number, but got '1'",
        *NO_NUMBER,
    ),
    nkd(
        "temperature=float('nan')",
        'ValueError',
        'Expected `temperature` to be positive and finite',
        'NaN is no number.',
        'Give a number.',
    ),
    nkd(
        'gamma=-1',
        'ValueError',
        'Expected `gamma` to be finite and at least 0',
        'The weight is negative.',
        'Take 0 or more.',
    ),
    nkd('gama=1', 'TypeError', "'gama'. Nearest: 'gamma'", *TYPO),
    nkd(
        'beta=2.0',
        'TypeError',
        "unexpected keyword argument 'beta'",
        'The loss has no such argument.',
        'See docs/losses.md for its arguments.',
    ),
    nkd(
        'loss_weight=-1',
        'ValueError',
        'Expected `loss_weight` to be finite and at least 0',
        'The weight is negative.',
        'Take 0 or more.',
    ),
    nkd(
        "loss_weight='1'",
        'TypeError',
        'Expected `loss_weight` to be a number',
        *NO_NUMBER,
    ),
    nkd(
        'loss_weight=0',
        'warning',
        'The `teacher` will not be built',
        'The loss is off.',
        'Give it a weight > 0.',
    ),
    nkd(
        'loss_weight=1e-9',
        'warning',
        '[loss-share] Expected losses that matter',
        'The loss is too small to change anything.',
        'Look at its `loss_weight`.',
    ),
    nkd(
        'loss_weight=1e9',
        'warning',
        '[loss-share] Expected losses that matter',
        'All other losses are too small to change anything.',
        'Look at its `loss_weight`.',
    ),
    nkd(
        'loss_weight=1e39',
        'ValueError',
        '[loss-nan] Expected finite losses',
        'The loss is beyond the numbers of float32.',
        'Look at its `loss_weight`.',
    ),
    nkd(
        "reduction='avg'",
        'ValueError',
        "Expected `reduction` to be 'none', 'mean' or 'sum'",
        'There is no such reduction.',
        'Leave it out for the mean.',
    ),
    nkd(
        "standardize='False'",
        'TypeError',
        'Expected `standardize` to be True or False',
        'A string that is not empty is true.',
        'Write False without quotes.',
    ),
    nkd(
        "sample_weight='entropy'",
        'ValueError',
        "Expected `sample_weight` to be dict(type='entropy'",
        'The weight has a temperature.',
        "Write dict(type='entropy', temperature=2.0).",
    ),
    loss(
        'KDLoss',
        'T=4',
        'TypeError',
        "unexpected keyword argument 'T'",
        'The argument has another name here.',
        'Write `temperature`.',
    ),
    loss(
        'DKDLoss',
        'alpha=-1',
        'ValueError',
        'Expected `alpha` to be finite and at least 0',
        'The weight is negative.',
        'Take 0 or more.',
    ),
    loss(
        'WKDLoss',
        'loss_weight=1',
        'TypeError',
        'missing 3 required positional arguments',
        'The loss has arguments without a default.',
        'See docs/losses.md for its arguments.',
    ),
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
