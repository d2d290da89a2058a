"""The newer losses in plain loops, straight from the papers."""

import math

from reference import cross_entropy, divergence, softmax, target_class


def ttm(student, teacher, temperature):
    losses = []
    for s_logits, t_logits in zip(student, teacher):
        t = softmax([x / temperature for x in t_logits])
        losses.append(divergence(t, softmax(s_logits)))
    return losses


def wttm(student, teacher, temperature):
    weights = [
        sum(p ** (1 / temperature) for p in softmax(logits))
        for logits in teacher
    ]
    rows = ttm(student, teacher, temperature)
    return [weight * row for weight, row in zip(weights, rows)]


def rld(
    student, teacher, targets, temperature, alpha, beta, alpha_temperature
):
    losses = []
    for s_logits, t_logits, target in zip(student, teacher, targets):
        t = target_class(target)
        s_t = softmax([x / alpha_temperature for x in s_logits])[t]
        highest = max(softmax([x / alpha_temperature for x in t_logits]))
        confidence = divergence((highest, 1 - highest), (s_t, 1 - s_t))
        loss = alpha * alpha_temperature**2 * confidence
        below = [i for i, x in enumerate(t_logits) if x < t_logits[t]]
        if below:
            s = softmax([s_logits[i] / temperature for i in below])
            p = softmax([t_logits[i] / temperature for i in below])
            loss += beta * temperature**2 * divergence(p, s)
        losses.append(loss)
    return losses


def hard(student, teacher):
    return [
        cross_entropy(s, target_class(t)) for s, t in zip(student, teacher)
    ]


def entropy(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def entropy_weight(student, teacher, temperature):
    weights = []
    for s_logits, t_logits in zip(student, teacher):
        h_s = entropy(softmax([x / temperature for x in s_logits]))
        h_t = entropy(softmax([x / temperature for x in t_logits]))
        weights.append(h_t * (1 + h_s / math.log(len(s_logits))) / 2)
    return weights


def transport(s, t, cost, regularization, iterations):
    """Take probabilities and a cost [i][j] of the same classes."""
    classes = range(len(s))
    kernel = [[math.exp(-c / regularization) for c in row] for row in cost]
    u = [1 / len(s) for _ in classes]
    for _ in range(iterations):
        v = [t[j] / sum(kernel[i][j] * u[i] for i in classes) for j in classes]
        u = [s[i] / sum(kernel[i][j] * v[j] for j in classes) for i in classes]
    return sum(
        u[i] * kernel[i][j] * v[j] * cost[i][j]
        for i in classes
        for j in classes
    )


def wkd(
    student,
    teacher,
    targets,
    temperature,
    gamma,
    cost,
    regularization,
    iterations,
):
    losses = []
    for s_logits, t_logits, target in zip(student, teacher, targets):
        t = target_class(target)
        loss = -softmax(t_logits)[t] * math.log(softmax(s_logits)[t])
        others = [i for i in range(len(s_logits)) if i != t]
        s_hat = softmax([s_logits[i] / temperature for i in others])
        t_hat = softmax([t_logits[i] / temperature for i in others])
        if isinstance(cost, float):
            among = [[cost * (i != j) for j in others] for i in others]
        else:
            among = [[cost[i][j] for j in others] for i in others]
        work = transport(s_hat, t_hat, among, regularization, iterations)
        losses.append(loss + gamma * work)
    return losses


def classifier_cost(weight, sharpen):
    def distance(a, b):
        dot = sum(x * y for x, y in zip(a, b))
        norms = math.hypot(*a) * math.hypot(*b)
        return 1 - dot / norms

    rows = [[distance(a, b) for b in weight] for a in weight]
    if sharpen == 0:
        return rows
    return [[1 - math.exp(-sharpen * d) for d in row] for row in rows]
