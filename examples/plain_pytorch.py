"""Distill a timm student in plain PyTorch: python examples/plain_pytorch.py.

It needs torch, timm and mmnkd; nothing of OpenMMLab.
"""

import timm
import torch
import torch.nn.functional as F

from mmnkd.functional import nkd_loss

torch.manual_seed(0)
patterns = torch.randn(10, 3, 32, 32)  # a class each, hidden in noise


def batches(count):  # put your data loader here
    for _ in range(count):
        target = torch.randint(10, (64,))
        yield patterns[target] + 2 * torch.randn(64, 3, 32, 32), target


def train(student, teacher=None, steps=40):
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    for images, target in batches(steps):
        logits = student(images)
        loss = F.cross_entropy(logits, target)
        if teacher is not None:
            with torch.no_grad():
                logits_teacher = teacher(images)
            loss = loss + nkd_loss(logits, logits_teacher, target, gamma=1.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student.eval()  # a teacher must be in eval mode


@torch.no_grad()
def top1(model):
    hits = [model(x).argmax(1) == target for x, target in batches(10)]
    return 100 * torch.cat(hits).float().mean().item()


make = timm.create_model
teacher = train(make('resnet10t', num_classes=10), steps=40)
student = train(make('test_resnet.r160_in1k', num_classes=10), teacher)
print(f'top-1: teacher {top1(teacher):.1f}, student {top1(student):.1f}')
