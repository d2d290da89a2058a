"""The losses in plain loops, straight from the papers: slow on purpose.

Lists of Python floats in, a list of per-sample floats out. Nothing is shared
with mmnkd.
"""

import math


def softmax(logits):
    highest = max(logits)
    powers = [math.exp(x - highest) for x in logits]
    return [p / sum(powers) for p in powers]


def target_class(target):
    """Return the class of an index, or the largest of a row of scores."""
    if isinstance(target, int):
        return target
    return max(range(len(target)), key=lambda i: target[i])


def nkd(student, teacher, targets, temperature, gamma):
    losses = []
    for s_logits, t_logits, target in zip(student, teacher, targets):
        t = target_class(target)
        loss = -softmax(t_logits)[t] * math.log(softmax(s_logits)[t])
        others = [i for i in range(len(s_logits)) if i != t]
        s_hat = softmax([s_logits[i] / temperature for i in others])
        t_hat = softmax([t_logits[i] / temperature for i in others])
        for s_i, t_i in zip(s_hat, t_hat):
            loss -= gamma * temperature**2 * t_i * math.log(s_i)
        losses.append(loss)
    return losses


def tf_nkd(student, targets):
    rows = [softmax(logits) for logits in student]
    labels = []  # of each sample: [(class, value), ...], largest value first
    for target in targets:
        if isinstance(target, int):
            labels.append([(target, 1.0)])
        else:
            ranked = sorted(enumerate(target), key=lambda pair: -pair[1])
            labels.append([pair for pair in ranked[:2] if pair[1] > 0])
    losses = [0.0] * len(rows)
    for k in range(2):
        having = [n for n, pairs in enumerate(labels) if len(pairs) > k]
        if not having:
            continue
        mean = sum(rows[n][labels[n][k][0]] for n in having) / len(having)
        for n in having:
            label, value = labels[n][k]
            s_t = rows[n][label]
            losses[n] -= (s_t + value - mean) * math.log(s_t)
    return losses
