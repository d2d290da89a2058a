"""``mmnkd benchmark``: the speed of losses, teachers and training steps."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Callable

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from .. import __version__, functional
from ..functional.closed_form import _plain_forms
from ..teacher import FrozenTeacher
from ..teacher.source import read_source
from .turns import Functions, alternate, processor, table

__all__ = ['main', 'released_nkd_loss']

SHORT_NAMES = {
    'resnet18': 'resnet18_8xb32_in1k',
    'resnet34': 'resnet34_8xb32_in1k',
    'resnet50': 'resnet50_8xb32_in1k',
    'mobilenetv2': 'mobilenet-v2_8xb32_in1k',
    'swin-tiny': 'swin-tiny_16xb64_in1k',
}

BFLOAT16: dict[str, Any] = {'dtype': 'bfloat16'}

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def main(arguments: Sequence[str]) -> None:
    """Measure, and print tables in Markdown."""
    args = _parse(arguments)
    torch.set_num_threads(args.threads)
    # mmengine would tell of each network that is built.
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    for text in args.measure(args):
        print(text, end='\n\n')
    print(_where(args))


def released_nkd_loss(
    logits_student: Tensor, logits_teacher: Tensor, target: Tensor
) -> Tensor:
    """Compute NKD by boolean masks, the formulation of the released code."""
    n, classes = logits_student.shape
    is_target = F.one_hot(target, classes).bool()
    log_p = F.log_softmax(logits_student, dim=1)[is_target]
    target_term = -F.softmax(logits_teacher, dim=1)[is_target] * log_p
    student, teacher = (
        logits[~is_target].reshape(n, classes - 1)
        for logits in (logits_student, logits_teacher)
    )
    nontarget_term = -F.softmax(teacher, 1) * F.log_softmax(student, 1)
    return target_term.mean() + 1.5 * nontarget_term.sum(dim=1).mean()


def _losses() -> dict[str, Loss]:
    ours: dict[str, Loss] = {
        'NKD': functional.nkd_loss,
        'tf-NKD': lambda s, t, y: functional.tf_nkd_loss(s, y),
        'KD': lambda s, t, y: functional.kd_loss(s, t),
        'DKD': functional.dkd_loss,
    }
    return {
        'cross-entropy': lambda s, t, y: F.cross_entropy(s, y),
        **ours,
        **{f'{k}, plain': _plain_forms()(loss) for k, loss in ours.items()},
        'NKD, as released': released_nkd_loss,
    }


def _measure_losses(args: argparse.Namespace) -> Iterator[str]:
    """Time each loss with its backward."""
    for batch, classes in args.shapes:
        torch.manual_seed(0)
        student, teacher = 3 * torch.randn(2, batch, classes).to(args.device)
        student.requires_grad_()
        target = torch.randint(classes, (batch,)).to(args.device)

        def run(loss: Loss, *tensors: Tensor) -> None:
            torch.autograd.grad(loss(*tensors), tensors[0])

        functions: Functions = {
            name: partial(run, loss, student, teacher, target)
            for name, loss in _losses().items()
        }
        title = f'{batch} x {classes} logits'
        seconds = alternate(functions, args)
        yield table(title, seconds, ['cross-entropy', 'NKD'])


def _measure_teacher(args: argparse.Namespace) -> Iterator[str]:
    """Time the ways to run a teacher."""
    ways = {
        'plain': {'accelerate': False},
        'accelerated (default)': {},
        'bfloat16': BFLOAT16,
    }
    if args.compile:
        ways['compiled'] = {'compile': True}
        ways['compiled, bfloat16'] = {'compile': True, **BFLOAT16}
    images = _images(args)
    for name in args.models:
        model = _model(name)
        preprocessor = _network(model, args.device).data_preprocessor
        functions: Functions = {}
        for way, options in ways.items():
            teacher = FrozenTeacher(model, None, **options)
            teacher.build(preprocessor, ['logits'])
            functions[way] = partial(teacher, images, ['logits'])
        title = f'{name}, {_size(args)}'
        yield table(title, alternate(functions, args), ['plain'])


def _measure_step(args: argparse.Namespace) -> Iterator[str]:
    """Time forward, losses and backward; the optimizer is the same for all."""
    student, teacher = _model(args.student), _model(args.teacher)
    if student.type != 'ImageClassifier':
        raise ValueError(
            'Expected a student of type ImageClassifier, but '
            f'{args.student!r} is a {student.type}.'
        )
    images = _images(args)
    plain, network = (_network(m, args.device) for m in (student, teacher))
    samples = [DataSample().set_gt_label(0) for _ in images]
    functions: Functions = {
        'student': _step(plain, partial(_loss, plain, images, samples)),
        'teacher': torch.no_grad()(partial(network, images)),
    }
    ways = {
        'distilled, plain teacher': {'accelerate': False},
        'distilled (default)': {},
        'distilled, bfloat16 teacher': BFLOAT16,
    }
    for way, options in ways.items():
        model = {
            **student,
            'type': 'DistilledClassifier',
            'teacher': {'model': teacher, 'checkpoint': None, **options},
            'distill_losses': {'nkd': {'type': 'NKDLoss'}},
        }
        distilled = _network(model, args.device)
        loss = partial(_loss, distilled, images, samples)
        functions[way] = _step(distilled, loss)
    if args.timm:
        functions["timm's task"] = _timm_step(plain, network, images)
    seconds = alternate(functions, args)
    both = 'student + teacher'
    pairs = zip(seconds['student'], seconds['teacher'])
    seconds = {both: [sum(pair) for pair in pairs], **seconds}
    title = f'{args.student} from {args.teacher}, {_size(args)}'
    yield table(title, seconds, [both, 'student'])


def _step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable:
    def step() -> None:
        model.zero_grad()
        loss().backward()

    model.train()
    return step


def _loss(model: BaseModel, images: Tensor, samples: list) -> Tensor:
    return model.parse_losses(model(images, samples, mode='loss'))[0]


def _timm_step(
    student: nn.Module, teacher: nn.Module, images: Tensor
) -> Callable:
    from timm.task import LogitDistillationTask

    statistics = {'mean': (0.0,) * 3, 'std': (1.0,) * 3}
    facts = {'num_classes': None, 'in_chans': 3, 'pretrained_cfg': statistics}
    for network in (student, teacher):  # what timm asks of its own networks
        for name, value in facts.items():
            setattr(network, name, value)
    criterion = nn.CrossEntropyLoss()
    task = LogitDistillationTask(student, teacher, criterion, verbose=False)
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    return _step(task.to(images.device), lambda: task(images, labels)['loss'])


def _model(name: str) -> ConfigDict:
    """Return the model dict of a config."""
    return read_source(SHORT_NAMES.get(name, name)).config


def _network(model: dict, device: str) -> BaseModel:
    """Build a network in eval mode, as a Runner does."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        network = MODELS.build(model)
    network.init_weights()
    return network.eval().to(device)


def _images(args: argparse.Namespace) -> Tensor:
    torch.manual_seed(0)
    size = args.image_size
    return torch.randn(args.batch, 3, size, size).to(args.device)


def _size(args: argparse.Namespace) -> str:
    return f'{args.batch} images of {args.image_size} px'


def _where(args: argparse.Namespace) -> str:
    """Name the hardware and the versions."""
    is_gpu = args.device == 'cuda'
    device = torch.cuda.get_device_name() if is_gpu else processor()
    return (
        f'Medians of {args.rounds} rounds, with the 10th to the 90th '
        f'percentile. {device}, {args.threads} thread(s), torch '
        f'{torch.__version__}, mmnkd {__version__}.'
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='mmnkd benchmark',
        description='Measure speed in one process and by turns.',
        epilog='examples:\n  mmnkd benchmark losses --threads 2\n  mmnkd '
        'benchmark step --student resnet18 --teacher resnet34 --batch 16\n\n'
        'exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar='WHAT', required=True)

    def command(name: str, what: str, measure: Callable) -> Callable:
        added = commands.add_parser(name, help=what)
        added.set_defaults(measure=measure, clock=time.perf_counter)
        added.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
        numbers = {'rounds': 20, 'warmup': 3, 'threads': 1}
        if name != 'losses':
            numbers |= {'batch': 8, 'image-size': 224}
        for key, default in numbers.items():
            text = f'default: {default}'
            added.add_argument(
                f'--{key}', type=_number, default=default, help=text
            )
        return added.add_argument

    models = f'a config, a model-zoo name, or of {", ".join(SHORT_NAMES)}'
    add = command('losses', 'losses, with their backward', _measure_losses)
    shapes = [(256, 1000), (128, 21841)]
    text = 'batch x classes (default: 256x1000 128x21841)'
    add('--shapes', nargs='+', type=_shape, default=shapes, help=text)
    add = command('teacher', "a teacher's forward", _measure_teacher)
    add('--models', nargs='+', default=list(SHORT_NAMES)[1:], help=models)
    add('--compile', action='store_true')
    add = command('step', 'a training step', _measure_step)
    add('--student', default='resnet18', help=models)
    add('--teacher', default='resnet34', help='the same')
    add('--timm', action='store_true', help="timm's task too")
    args = parser.parse_args(arguments)
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda needs a GPU, but torch sees none here')
    return args


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number > 0')
    return int(text)


def _shape(text: str) -> tuple[int, int]:
    batch, _, classes = text.partition('x')
    if _number(classes) < 2:
        raise argparse.ArgumentTypeError(f'{text!r} has less than 2 classes')
    return _number(batch), int(classes)
