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


def labels_of(target):
    """Return [(class, value), ...] of one sample, largest value first."""
    if isinstance(target, int):
        return [(target, 1.0)]
    ranked = sorted(enumerate(target), key=lambda pair: -pair[1])
    return [pair for pair in ranked[:2] if pair[1] > 0]


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
    labels = [labels_of(target) for target in targets]
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


def kd(student, teacher, temperature):
    losses = []
    for s_logits, t_logits in zip(student, teacher):
        s = softmax([x / temperature for x in s_logits])
        t = softmax([x / temperature for x in t_logits])
        losses.append(temperature**2 * divergence(t, s))
    return losses


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def dkd(student, teacher, targets, temperature, alpha, beta):
    losses = []
    for s_logits, t_logits, target in zip(student, teacher, targets):
        t = target_class(target)
        binary, others = [], []
        for logits in (s_logits, t_logits):
            p = softmax([x / temperature for x in logits])[t]
            binary.append((p, 1 - p))
            rest = [x / temperature for i, x in enumerate(logits) if i != t]
            others.append(softmax(rest))
        losses.append(
            temperature**2 * alpha * divergence(binary[1], binary[0])
            + temperature**2 * beta * divergence(others[1], others[0])
        )
    return losses


def cross_entropy(logits, target):
    p = softmax(logits)
    if isinstance(target, int):
        return -math.log(p[target])
    return -sum(y * math.log(p_i) for y, p_i in zip(target, p) if y > 0)


def wsld(student, teacher, targets, temperature):
    losses = []
    for s_logits, t_logits, target in zip(student, teacher, targets):
        s = softmax([x / temperature for x in s_logits])
        t = softmax([x / temperature for x in t_logits])
        soft = -sum(t_i * math.log(s_i) for t_i, s_i in zip(t, s))
        ratio = cross_entropy(s_logits, target) / (
            cross_entropy(t_logits, target) + 1e-7
        )
        losses.append((1 - math.exp(-ratio)) * temperature**2 * soft)
    return losses


def pearson(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    a, b = [x - mean_a for x in a], [x - mean_b for x in b]
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b)) / (norms + 1e-8)


def dist(student, teacher, temperature, beta, gamma):
    s = [softmax([x / temperature for x in logits]) for logits in student]
    t = [softmax([x / temperature for x in logits]) for logits in teacher]
    columns = list(zip(zip(*s), zip(*t)))
    intra = sum(1 - pearson(a, b) for a, b in columns) / len(columns)
    return [
        temperature**2 * (beta * (1 - pearson(a, b)) + gamma * intra)
        for a, b in zip(s, t)
    ]


def uskd(student, weak, targets, alpha, beta, mu):
    classes = len(student[0])
    rows = [softmax(logits) for logits in student]
    labels = [labels_of(target) for target in targets]
    losses = []
    for n, (s, w_logits) in enumerate(zip(rows, weak)):
        loss = 0.0
        for k, (label, value) in enumerate(labels[n]):
            squares = [
                rows[m][labels[m][k][0]] ** 2
                for m in range(len(rows))
                if len(labels[m]) > k
            ]
            weight = s[label] ** 2 + value - sum(squares) / len(squares)
            loss -= alpha * weight * math.log(s[label])

        w = softmax(w_logits)
        targeted = [label for label, _ in labels[n]]
        w_rest = 1 - sum(w[i] for i in targeted) + 1e-6
        s_rest = 1 - sum(s[i] for i in targeted) + 1e-6
        scores = [w[i] / w_rest + s[i] / s_rest for i in range(classes)]
        order = sorted(range(classes), key=lambda i: -scores[i])
        others = [i for i in range(classes) if i not in targeted]
        if others:
            zipf = {i: 1 / (1 + order.index(i)) for i in others}
            s_hat = softmax([student[n][i] for i in others])
            for i, s_i in zip(others, s_hat):
                loss -= beta * zipf[i] / sum(zipf.values()) * math.log(s_i)

        for i in range(classes):
            target = targets[n]
            y = float(i == target) if isinstance(target, int) else target[i]
            loss -= mu * (0.9 * y + 0.1 / classes) * math.log(w[i])
        losses.append(loss)
    return losses


def standardize(logits):
    rows = []
    for row in logits:
        mean = sum(row) / len(row)
        variance = sum((x - mean) ** 2 for x in row) / (len(row) - 1)
        rows.append([(x - mean) / math.sqrt(variance) for x in row])
    return rows


# Features: one sample each, as [channel][row][column].


def convolve(feature, weight, bias):
    """Convolve with zero padding that keeps the size."""
    height, width = len(feature[0]), len(feature[0][0])
    half = len(weight[0][0]) // 2
    result = []
    for kernel, offset in zip(weight, bias):
        plane = [[offset] * width for _ in range(height)]
        for row in range(height):
            for column in range(width):
                for channel, k in zip(feature, kernel):
                    for i, line in enumerate(k):
                        for j, value in enumerate(line):
                            y, x = row + i - half, column + j - half
                            if 0 <= y < height and 0 <= x < width:
                                plane[row][column] += value * channel[y][x]
        result.append(plane)
    return result


def generate(feature, first, second):
    """Apply two convolutions, (weight, bias) each, with a ReLU between."""
    hidden = [
        [[max(x, 0.0) for x in line] for line in plane]
        for plane in convolve(feature, *first)
    ]
    return convolve(hidden, *second)


def squared_error(a, b):
    if isinstance(a, float):
        return (a - b) ** 2
    return sum(squared_error(x, y) for x, y in zip(a, b))


def mgd(student, teacher, kept, align, first, second, alpha):
    """Take `kept`, True or False for each of the teacher's channels."""
    aligned = convolve(student, *align)
    masked = [
        [[x * keep for x in line] for line in plane]
        for plane, keep in zip(aligned, kept)
    ]
    return alpha * squared_error(generate(masked, first, second), teacher)


def connect(batch, weight, scale, shift):
    """Apply a 1x1 convolution, BN with the batch's statistics, and ReLU."""
    no_bias = [0.0] * len(weight)
    batch = [convolve(feature, weight, no_bias) for feature in batch]
    for k in range(len(weight)):
        values = [x for feature in batch for line in feature[k] for x in line]
        mean = sum(values) / len(values)
        variance = sum((x - mean) ** 2 for x in values) / len(values)
        for feature in batch:
            feature[k] = [
                [
                    max(
                        scale[k] * (x - mean) / math.sqrt(variance + 1e-5)
                        + shift[k],
                        0.0,
                    )
                    for x in line
                ]
                for line in feature[k]
            ]
    return batch


def srrl(aligned, teacher, weight, bias, alpha, beta):
    """Take the student's features after the connector."""

    def pooled(feature):
        return [sum(map(sum, p)) / (len(p) * len(p[0])) for p in feature]

    def logits(vector):
        return [
            b + sum(w * x for w, x in zip(row, vector))
            for row, b in zip(weight, bias)
        ]

    s, t = pooled(aligned), pooled(teacher)
    features = squared_error(s, t) / len(s)
    return alpha * features + beta * squared_error(logits(s), logits(t)) / len(
        weight
    )


def vitkd_generation(tokens, teacher, noise, token, first, second, settings):
    """Take projected tokens [patch][channel] of a square grid."""
    beta, mask_ratio = settings
    side, channels = math.isqrt(len(tokens)), len(tokens[0])
    kept = int(len(tokens) * (1 - mask_ratio))
    order = sorted(range(len(tokens)), key=lambda i: noise[i])
    tokens = [token if i in order[kept:] else t for i, t in enumerate(tokens)]
    feature = [
        [[tokens[r * side + c][k] for c in range(side)] for r in range(side)]
        for k in range(channels)
    ]
    generated = generate(feature, first, second)
    error = sum(
        (generated[k][i // side][i % side] - teacher[i][k]) ** 2
        for i in order[kept:]
        for k in range(channels)
    )
    return beta / mask_ratio * error
