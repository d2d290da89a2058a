"""The differences of the evidence, and its figures."""

from pathlib import Path
from typing import Any

from mmnkd.compare.statistics import Difference, paired_difference
from mmnkd.compare.summary import Band


def baseline_of(plan: dict, method: str) -> str:
    """Name the method that another is compared with."""
    if method.startswith('baseline'):
        return method
    usual = plan.get('against', 'baseline')
    return plan['methods'][method].get('against', usual)


def by_seed(students: list[dict], method: str) -> dict[int, float]:
    return {
        r['seed']: r['top1'][-1] for r in students if r['method'] == method
    }


def difference(
    students: list[dict], method: str, against: str = 'baseline'
) -> Difference:
    return paired_difference(
        by_seed(students, method), by_seed(students, against)
    )


def draw(plan: dict, lines: list[dict], path: Path) -> None:
    """Draw mean curves with bands of one standard deviation, and gains."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    by_method = {
        method: [r for r in lines if r['method'] == method]
        for method in plan['methods']
    }
    by_method = {method: runs for method, runs in by_method.items() if runs}
    colors = {
        method: plt.get_cmap('tab20')(number * 2 % 20 + number // 10)
        for number, method in enumerate(by_method)
    }
    style = {'svg.hashsalt': 'mmnkd', 'svg.fonttype': 'none', 'font.size': 9}
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9, 3.6), layout='constrained'
        )
        shown = plan.get('shows', 'top1')
        for method, runs in by_method.items():
            draw_curve(left, runs, shown, color=colors[method])
            draw_gain(right, plan, lines, method, color=colors[method])
        if shown == 'others':
            teachers = [r for r in lines if r['method'] == 'teacher']
            for teacher in [r for r in teachers if 'others' in r]:
                level, name = teacher['others'][-1], teacher['student']
                left.axhline(level, color='gray', ls='--', label=name)
        left.set(xlabel='epoch', ylabel=LABELS[shown])
        left.legend(fontsize=7)
        against = plan.get('against', 'baseline')
        right.set(xlabel=f'top-1 minus {against}, 95 % interval (points)')
        right.axvline(0, color='gray', linewidth=0.8)
        right.invert_yaxis()
        for axes in (left, right):
            axes.grid(alpha=0.3)
        figure.savefig(path, metadata={'Date': None})
        plt.close(figure)


LABELS = {
    'top1': 'top-1 (%)',
    'others': 'probability of all wrong classes',
}


def draw_curve(axes: Any, runs: list[dict], shown: str, color: Any) -> None:
    """Draw what runs of several seeds recorded at each validation."""
    recorded = [dict(enumerate(r[shown], 1)) for r in runs if shown in r]
    if not recorded:
        return
    band = Band.of(recorded)
    step = runs[0]['epochs'] / len(band.steps)
    epochs = [step * number for number in band.steps]
    axes.plot(epochs, band.middle, color=color, label=runs[0]['method'])
    both = list(zip(band.middle, band.std))
    low, high = [m - s for m, s in both], [m + s for m, s in both]
    axes.fill_between(epochs, low, high, color=color, alpha=0.15)


def draw_gain(
    axes: Any, plan: dict, lines: list[dict], method: str, color: Any
) -> None:
    """Draw a difference with its interval, where there is one."""
    against = baseline_of(plan, method)
    gain, half, n, *_ = difference(lines, method, against)
    if method != against and n:
        width = half if n > 1 else 0
        axes.errorbar(
            gain, method, xerr=width, fmt='o', color=color, capsize=3
        )
