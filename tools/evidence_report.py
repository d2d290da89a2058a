"""Write docs/results.md and its figures from the lines of docs/results/."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import yaml

from mmnkd.compare.statistics import Difference, paired_difference, spread
from mmnkd.compare.summary import Band

HEAD = """\
# Results

`python tools/evidence.py report` writes this page from the files in
[results](results): one line for each run, with its accuracy at each
validation, its config, commit and versions. No number is typed.

Top-1 is that of the last epoch, mean ± standard deviation (n seeds). A
difference is paired: the run minus the baseline of the same seed, which sees
the same images in the same order and starts from the same weights (but for
losses with parameters of their own). Its 95 % interval is Student's, for the
mean over the seeds; it covers the draw of the seed, not that of the test
images. A method is called better or worse where the interval leaves out 0,
without a correction for the number of methods.
"""


MORE = (
    'Mean ± standard deviation (seeds); differences are paired by seed. '
    '"Open" means that the 95 % interval includes 0: more seeds would tell. '
    'Losses have their published values. [Results](docs/results.md) has every '
    'run, what is not run yet, and where NKD is not better than its baseline: '
    'values for 100 classes can be [too strong for ten](docs/tuning.md).'
)
PLANNED = """\
## Not run yet

Each of these experiments is written down as a plan, which its command carries
out.
"""
IN_README = 2  # tables
MARKS = '<!-- results -->', '<!-- /results -->'
KEYS = ('method', 'student', 'seed')


def read_results(path: Path) -> list[dict]:
    """Read one file of results; of the same run the last line counts."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text(encoding='utf8').splitlines())
    by_run = {tuple(line[key] for key in KEYS): line for line in lines}
    return list(by_run.values())


def write_report(root: Path, results: Path) -> None:
    """Write the page beside the folder `results`, and figures into it."""
    sections, planned, headlines = [], [], {}
    for file in plans_in_order(root):
        plan = yaml.safe_load(file.read_text(encoding='utf8'))
        lines = read_results(results / f'{file.stem}.jsonl')
        # Another plan's rows stand beside its own, once it has some.
        others = plan.get('shared', {}) if lines else {}
        for other, names in others.items():
            shared = read_results(results / f'{other}.jsonl')
            shared = [line for line in shared if line['method'] in names]
            lines += [r for r in shared if r['seed'] < plan['seeds']]
            rows = {r['method']: {'seeds': 0} for r in shared}
            plan['methods'] = {**rows, **plan['methods']}
        students = [r for r in lines if r['method'] in plan['methods']]
        if not students:
            planned.append(not_run(file.stem, plan))
            continue
        draw(plan, students, results / f'{file.stem}.svg')
        sections.append(section(file.stem, plan, lines, students))
        several = [m for m in plan['methods'] if len(by_seed(students, m)) > 1]
        if 'headline' in plan and len(several) > 1:
            headlines[file.stem] = headline(plan, students)
    if planned:
        sections.append('\n'.join([PLANNED, *planned, '']))
    page = '\n'.join([HEAD, *sections])
    results.with_suffix('.md').write_text(page, encoding='utf8')
    write_headline(results.parents[1], headlines)


def plans_in_order(root: Path) -> list[Path]:
    """List the plans by name, those of photographs first."""
    plans = (root / 'tools' / 'plans').glob('*.yml')
    return sorted(plans, key=lambda p: ('imagenette' not in p.stem, p.stem))


def write_headline(root: Path, headlines: dict[str, str]) -> None:
    """Put tables and the first one's figure into README, between its marks."""
    tables = list(headlines.values())[:IN_README]
    name = next(iter(headlines))
    figure = f'![Top-1 by epoch, and differences](docs/results/{name}.svg)'
    text = '\n\n'.join([tables[0], figure, *tables[1:], MORE])
    readme = root / 'README.md'
    before, rest = readme.read_text('utf8').split(MARKS[0])
    _, after = rest.split(MARKS[1])
    whole = f'{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}'
    readme.write_text(whole, encoding='utf8')


def headline(plan: dict, students: list[dict]) -> str:
    rows = [
        '| method | top-1 (%) | minus baseline [95 %] | so it is |',
        '|---|---|---|---|',
    ]
    for method in plan['methods']:
        if len(by_seed(students, method)) > 1:
            cells = [method, *cells_of(plan, students, method)]
            rows.append(f'| {" | ".join(cells)} |')
    about = ' '.join(plan['headline'].split())
    return '\n'.join([about, '', *rows])


def section(
    name: str, plan: dict, lines: list[dict], students: list[dict]
) -> str:
    about = ' '.join(plan['about'].split())
    parts = [f'## {plan["title"]}', f'{about} Student: {plan["student"]}.']
    teachers = [r for r in lines if r not in students]
    if teachers:
        parts.append('\n'.join(map(teacher_line, teachers)))
    parts.append(table(plan, students))
    parts.append(f'![By epoch, and differences](results/{name}.svg)')
    parts.append(
        f'{students[0]["epochs"]} epochs. {origin(lines)} '
        f'[All lines](results/{name}.jsonl).'
    )
    missing = {
        method: keys.get('seeds', plan['seeds'])
        - len(by_seed(students, method))
        for method, keys in plan['methods'].items()
    }
    if any(missing.values()):
        runs = '; '.join(f'{m} ({n})' for m, n in missing.items() if n)
        parts.append(
            f'Runs that are still missing: {runs}. The command for these:\n\n'
            f'```shell\npython tools/evidence.py tools/plans/{name}.yml\n```'
        )
    return '\n\n'.join(parts) + '\n'


def not_run(name: str, plan: dict) -> str:
    """Tell of a plan without results in one item of a list."""
    runs = sum(k.get('seeds', plan['seeds']) for k in plan['methods'].values())
    about = ' '.join(plan['about'].split())
    return (
        f'- **{plan["title"]}** ({runs} runs). {about} '
        f'`python tools/evidence.py tools/plans/{name}.yml`'
    )


def teacher_line(result: dict) -> str:
    return (
        f'Teacher {result["student"]}: {result["top1"][-1]:.2f} %, trained by '
        f'[this config](../{result["config"]}).'
    )


def table(plan: dict, students: list[dict]) -> str:
    rows = [
        '| method | teacher | top-1 (%) | minus baseline [95 %] | so it is '
        '| CPU min a run |',
        '|---|---|---|---|---|---|',
    ]
    for method in plan['methods']:
        runs = [r for r in students if r['method'] == method]
        if runs:
            minutes = mean(r['cpu_seconds'] for r in runs) / 60
            link = f'[{method}](../{runs[0]["config"]})'
            cells = [link, runs[0]['teacher'] or '-']
            cells += cells_of(plan, students, method)
            cells.append(f'{minutes:.1f}')
            rows.append(f'| {" | ".join(cells)} |')
    return '\n'.join(rows)


def baseline_of(plan: dict, method: str) -> str:
    """Name the method that another is compared with."""
    if method.startswith('baseline'):
        return method
    return plan['methods'][method].get('against', 'baseline')


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


def cells_of(plan: dict, students: list[dict], method: str) -> list[str]:
    top1 = spread(list(by_seed(students, method).values()))
    against = baseline_of(plan, method)
    if method == against:
        return [top1, '', '']
    gain = difference(students, method, against)
    return [top1, str(gain), gain.verdict or '']


def origin(lines: list[dict]) -> str:
    """Say what the runs ran on."""

    def each(values: Sequence[str]) -> str:
        return ', '.join(sorted(set(values)))

    versions = [
        ' '.join(f'{k} {v}' for k, v in r['versions'].items()) for r in lines
    ]
    return (
        f'Commit {each([r["commit"] for r in lines])}; {each(versions)}; '
        f'{each([r["hardware"] for r in lines])}.'
    )


def draw(plan: dict, students: list[dict], path: Path) -> None:
    """Draw mean curves with bands of one standard deviation, and gains."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    methods = [m for m in plan['methods'] if by_seed(students, m)]
    style = {'svg.hashsalt': 'mmnkd', 'svg.fonttype': 'none', 'font.size': 9}
    with plt.rc_context(style):
        figure, (curves, gains) = plt.subplots(
            1, 2, figsize=(9, 3.6), layout='constrained'
        )
        for number, method in enumerate(methods):
            color = plt.get_cmap('tab20')(number * 2 % 20 + number // 10)
            runs = [r for r in students if r['method'] == method]
            band = Band.of([dict(enumerate(r['top1'], 1)) for r in runs])
            step = runs[0]['epochs'] / len(band.steps)
            epochs = [step * number for number in band.steps]
            curves.plot(epochs, band.middle, color=color, label=method)
            both = list(zip(band.middle, band.std))
            low, high = [m - s for m, s in both], [m + s for m, s in both]
            curves.fill_between(epochs, low, high, color=color, alpha=0.15)
            against = baseline_of(plan, method)
            gain, half, n, *_ = difference(students, method, against)
            if method != against and n:
                width = half if n > 1 else 0
                gains.errorbar(
                    gain, method, xerr=width, fmt='o', color=color, capsize=3
                )
        curves.set(xlabel='epoch', ylabel='top-1 (%)')
        curves.legend(fontsize=7)
        gains.set(xlabel='top-1 minus baseline, 95 % interval (points)')
        gains.axvline(0, color='gray', linewidth=0.8)
        gains.invert_yaxis()
        for axes in (curves, gains):
            axes.grid(alpha=0.3)
        figure.savefig(path, metadata={'Date': None})
        plt.close(figure)
