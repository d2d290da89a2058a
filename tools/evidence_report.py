"""Write docs/results.md and its figures from the lines of docs/results/."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import yaml
from evidence_figure import baseline_of, by_seed, difference, draw

from mmnkd.compare.statistics import spread

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
without a correction for the number of methods. Processor time also depends on
what else the machine did, and on whether `--remember` kept the images.
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
        for name, part in parts_of(file.stem, plan).items():
            draw(part, lines, results / f'{name}.svg')
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
    for file, part in parts_of(name, plan).items():
        if part is not plan:
            parts += [f'### {part["title"]}', part['paper']]
        parts.append(table(part, students))
        parts.append(f'![By epoch, and differences](results/{file}.svg)')
        parts += [part['seen']] if 'seen' in part else []
    parts.append(
        f'{students[0]["epochs"]} epochs. {origin(lines)} '
        f'[All lines](results/{name}.jsonl).'
    )
    missing = {
        method: keys.get('seeds', plan['seeds'])
        - len(by_seed(students, method))
        for method, keys in plan['methods'].items()
    }
    if max(missing.values()) > 0:
        runs = '; '.join(f'{m} ({n})' for m, n in missing.items() if n > 0)
        parts.append(
            f'Runs that are still missing: {runs}. The command for these:\n\n'
            f'```shell\npython tools/evidence.py tools/plans/{name}.yml\n```'
        )
    return '\n\n'.join(parts) + '\n'


def parts_of(name: str, plan: dict) -> dict[str, dict]:
    """Split a plan into its claims, by the name of the figure of each."""
    methods = plan['methods']
    return {
        f'{name}-{number}': {
            'against': 'baseline',
            **claim,
            'methods': {m: methods[m] for m in claim['rows'] if m in methods},
        }
        for number, claim in enumerate(plan.get('claims', []), 1)
    } or {name: plan}


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
    against = plan.get('against', 'baseline')
    shows_others = plan.get('shows') == 'others'
    last = 'wrong classes get (%)' if shows_others else 'CPU min a run'
    rows = [
        f'| method | teacher | top-1 (%) | minus {against} [95 %] | so it is '
        f'| {last} |',
        '|---|---|---|---|---|---|',
    ]
    for method in plan['methods']:
        runs = [r for r in students if r['method'] == method]
        if runs:
            link = f'[{method}](../{runs[0]["config"]})'
            cells = [link, runs[0]['teacher'] or '-']
            cells += cells_of(plan, students, method)
            if shows_others:
                others = [100 * r['others'][-1] for r in runs if 'others' in r]
                cells.append(spread(others) if others else '')
            else:
                minutes = mean(r['cpu_seconds'] for r in runs) / 60
                cells.append(f'{minutes:.1f}')
            rows.append(f'| {" | ".join(cells)} |')
    return '\n'.join(rows)


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
