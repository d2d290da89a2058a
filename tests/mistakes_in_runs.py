"""Mistakes in optimizer, schedule, hooks and keys, see mistake.py."""

from mistake import Mistake

TYPO = ('An argument has a typo.', 'Correct it.')
NAME = (
    'The name of a class has a typo, or its module was not imported.',
    'Correct it; name modules in `custom_imports`.',
)
OLD = ('A key of mmcls 0.x, which nothing reads.', 'Take the nearest key.')
DEAD = ('Nothing reads this key.', 'Take the nearest key.')
NO_FILE = ('The file is not there.', 'Correct the path.')


def dead(wrote, nearest=None, why=DEAD):
    key = wrote.split(' = ')[0]
    told = f'nothing reads `{key}`'
    told += f' (nearest: {nearest})' if nearest else ''
    return Mistake(wrote, 'ValueError', told, *why)


def optimizer(wrote, *rest):
    return Mistake(f'optim_wrapper = dict(optimizer=dict({wrote}))', *rest)


def wrapper(wrote, *rest):
    return Mistake(f'optim_wrapper = dict({wrote})', *rest)


def option(wrote, *rest):
    return Mistake('', *rest, tuple(wrote.split()))


MISTAKES = [
    # Keys that nothing reads.
    dead('train_cgf = dict(max_epochs=3)', 'train_cfg'),
    dead("work_dri = 'x'", 'work_dir'),
    dead('find_unused_parameter = True', 'find_unused_parameters'),
    dead('max_epochs = 300', 'train_cfg.max_epochs'),
    dead("optimizer = dict(type='SGD')", 'optim_wrapper.optimizer', OLD),
    dead("lr_config = dict(policy='step')", 'param_scheduler', OLD),
    dead('runner = dict(max_epochs=2)', 'train_cfg', OLD),
    dead('total_epochs = 3', 'train_cfg.max_epochs', OLD),
    dead('evaluation = dict(interval=1)', 'train_cfg.val_interval', OLD),
    dead('data = dict(samples_per_gpu=32)', 'train_dataloader', OLD),
    dead('checkpoint_config = dict()', 'default_hooks.checkpoint', OLD),
    dead('log_config = dict(interval=1)', 'default_hooks.logger', OLD),
    dead("resume_from = 'a.pth'", 'load_from and resume=True', OLD),
    dead('use_logit = True', None, ('A key of cls_KD.', 'Leave it out.')),
    Mistake(
        'auto_scale_lr = dict(enabled=True, base_batch_size=256)',
        'ValueError',
        'nothing reads `auto_scale_lr.enabled` (nearest: '
        'auto_scale_lr.enable)',
        *DEAD,
    ),
    Mistake(
        'env_cfg = dict(cudnn_benchmarck=True)',
        'ValueError',
        '(nearest: env_cfg.cudnn_benchmark)',
        *DEAD,
    ),
    wrapper(
        'paramwise_cfg=dict(norm_decay_mul=0.0)',
        'ValueError',
        '(nearest: optim_wrapper.paramwise_cfg.norm_decay_mult)',
        *DEAD,
    ),
    option(
        '--cfg-options gamma=2',
        'ValueError',
        'nothing reads `gamma`',
        'The key is further in.',
        'Write model.distill_losses.nkd.gamma=2.',
    ),
    option(
        '--cfg-options model.distill_losses.nkd.gamma=two',
        'TypeError',
        'Expected `gamma` to be a number',
        'A number was expected.',
        'Write a number.',
    ),
    # The optimizer.
    optimizer(
        "type='SDG'",
        'TypeError',
        'that of the optimizer most likely',
        'The name of the optimizer has a typo.',
        'Take a name from torch.optim.',
    ),
    optimizer(
        "lr='0.1'",
        'TypeError',
        'write it without quotes',
        'A number was expected.',
        'Write it without quotes.',
    ),
    optimizer(
        'lr=-0.1',
        'ValueError',
        'Invalid learning rate: -0.1',
        'The learning rate is negative.',
        'Take more than 0.',
    ),
    optimizer('learning_rate=0.1', 'TypeError', "'learning_rate'", *TYPO),
    wrapper(
        "_delete_=True, type='SGD', lr=0.1",
        'ValueError',
        'Write optim_wrapper=dict(optimizer=',
        'The optimizer is one level further in.',
        "Write optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)).",
    ),
    wrapper("type='OptimWraper'", 'KeyError', 'OptimWraper is not', *NAME),
    wrapper(
        'clip_grad=5.0',
        'AssertionError',
        'If `clip_grad` is not None, it should be a `dict`',
        'Clipping has arguments by name.',
        'Write clip_grad=dict(max_norm=5.0).',
    ),
    wrapper('clip_grads=dict()', 'TypeError', "'clip_grads'", *TYPO),
    # The length, and schedules of the learning rate.
    Mistake(
        "param_scheduler = dict(type='MultiStepLR', milestones=[30, 60])",
        'warning',
        "[lr-schedule] Expected the learning rate's schedule to end within",
        'The training was made shorter, and its schedule was not.',
        'Scale the schedule with the length.',
    ),
    Mistake('train_cfg = dict(max_epoch=3)', 'TypeError', 'max_epoch', *TYPO),
    Mistake(
        "train_cfg = dict(_delete_=True, type='EpochBasedTrainLop')",
        'KeyError',
        'EpochBasedTrainLop is not in the',
        *NAME,
    ),
    Mistake(
        "param_scheduler = dict(type='MultiStepRL', milestones=[1])",
        'KeyError',
        'MultiStepRL is not in the',
        *NAME,
    ),
    Mistake(
        "param_scheduler = dict(type='CosineAnnealingLR', T_maxx=2)",
        'TypeError',
        'T_max',
        *TYPO,
    ),
    # Hooks, checkpoints and the rest.
    Mistake(
        "default_hooks = dict(checkpoint=dict(type='CheckpointHok'))",
        'KeyError',
        'CheckpointHok is not in the',
        *NAME,
    ),
    Mistake(
        "custom_hooks = [dict(type='EMAHok')]",
        'KeyError',
        'EMAHok is not in the',
        *NAME,
    ),
    Mistake("load_from = 'no.pth'", 'FileNotFoundError', 'no.pth', *NO_FILE),
    Mistake(
        "load_from = 'page.pth'",
        'ValueError',
        "Expected 'page.pth' to be a checkpoint",
        'The file is a web page, no checkpoint.',
        'Download it again.',
    ),
    option(
        '--resume student.pth',
        'ValueError',
        'to be a checkpoint of a training',
        'The file has weights alone.',
        'Start from them by load_from, without --resume.',
    ),
    option(
        '--resume teacher/epoch_2.pth',
        'ValueError',
        "Expected the weights in 'teacher/epoch_2.pth' to fit",
        'The training was of another student.',
        'Resume with the config of that training.',
    ),
    option(
        '--resume features/epoch_1.pth',
        'ValueError',
        'unexpected: distill_losses.mine.project.weight',
        'The training had other losses, with parameters.',
        'Resume with the config of that training.',
    ),
    option(
        '--resume no.pth',
        'FileNotFoundError',
        'no.pth',
        *NO_FILE,
    ),
    Mistake(
        "custom_imports = dict(imports=['no_such_module'])",
        'ImportError',
        'no_such_module',
        'The module can not be imported.',
        'Look at its name and at PYTHONPATH.',
    ),
    Mistake(
        'randomness = dict(sead=1)',
        'TypeError',
        "'sead'",
        *TYPO,
    ),
    Mistake(
        'model = dict(',
        'ValueError',
        'Expected Python in',
        'A bracket is open.',
        'Look at the line that the message names.',
    ),
]
