"""Run the tests on each stack, and write README's table of versions.

make test-stacks [STACKS="oldest onedl"], by hand and before a release: each
stack gets an environment of some GB, and its tests take 10 minutes or more on
two cores. A stack whose Python isn't found keeps its row.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix('.json')
MARKS = '<!-- stacks -->', '<!-- /stacks -->'
# name: what README calls it, its Python, who runs it how often
STACKS = {
    'openmmlab': ('OpenMMLab', '3.11', 'each commit'),
    'onedl': ('OneDL', '3.11', 'each release'),
    'oldest': ('OpenMMLab, oldest', '3.9', 'each release'),
}
SHOWN = re.compile(r'torch(vision)?|(onedl-)?mm(engine|cv.*|pretrain)')
SUMMARY = re.compile(r'^=* ?(.*\b(?:passed|failed|errors?)\b.*?) in ', re.M)


def find_python(version: str) -> str | None:
    """Return an interpreter of a version: on the PATH, of pyenv, of uv."""
    found = [shutil.which(f'python{version}')]
    for place in ('.pyenv/versions/', '.local/share/uv/python/cpython-'):
        paths = Path.home().glob(f'{place}{version}.*/bin/python')
        found += map(str, sorted(paths))
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    for python in filter(None, found):
        if output(python, '-c', code).strip() == version:
            return python
    return None


def output(*command: str) -> str:
    """Return what a command prints, nothing if it fails."""
    result = subprocess.run(command, capture_output=True, text=True)
    return '' if result.returncode else result.stdout


def run(stack: str) -> dict | None:
    """Make a stack's environment, run the tests, say what came of it."""
    python = find_python(STACKS[stack][1])
    if python is None:
        print(f'{stack}: no Python {STACKS[stack][1]} here; its row stays')
        return None
    make = ['make', 'setup', f'STACK={stack}', f'PYTHON={python}']
    subprocess.run(make, cwd=ROOT, check=True)
    folder = '.venv' if stack == 'openmmlab' else f'.venv-{stack}'
    own = str(ROOT / folder / 'bin' / 'python')
    tests = [own, '-m', 'pytest', '-n', 'auto', '--maxprocesses', '4']
    tests += ['--dist', 'loadfile', '--no-loadscope-reorder']
    tests += ['-m', 'not slow and not docs']
    printed = ''
    with subprocess.Popen(tests, cwd=ROOT, stdout=-1, text=True) as process:
        for line in process.stdout or ():
            print(line, end='', flush=True)
            printed += line
    summary = SUMMARY.findall(printed)
    if not summary:
        sys.exit(f'{stack}: the tests did not end; the table stays')
    result = re.sub(r', \d+ warnings?', '', summary[-1])
    commit = output('git', '-C', str(ROOT), 'rev-parse', '--short=7', 'HEAD')
    told = f'{result} ({date.today()}, {commit.strip()})'
    return {**versions(own), 'result': told}


def versions(python: str) -> dict:
    """Return what is installed in an environment."""
    printed = output(python, '-m', 'pip', 'list', '--format=json')
    found = {row['name']: row['version'] for row in json.loads(printed)}
    return {
        'python': output(python, '-V').split()[-1],
        'versions': {k: v for k, v in found.items() if SHOWN.fullmatch(k)},
    }


def table(record: dict) -> str:
    """Return README's table of what was run."""
    rows = ['| stack | versions | tests | run |', '|---|---|---|---|']
    for stack, (title, _, often) in STACKS.items():
        if stack in record:
            row = record[stack]
            parts = [f'Python {row["python"]}']
            parts += [f'{k} {v}' for k, v in row['versions'].items()]
            result = row.get('result', 'no record yet')
            cells = [title, ', '.join(parts), result, often]
            rows.append(f'| {" | ".join(cells)} |')
    return '\n'.join(rows)


def write_readme(record: dict, readme: Path = ROOT / 'README.md') -> None:
    """Put the table between README's two marks."""
    before, rest = readme.read_text(encoding='utf-8').split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    whole = f'{before}{MARKS[0]}\n{table(record)}\n{MARKS[1]}{after}'
    readme.write_text(whole, encoding='utf-8')


def main(*stacks: str) -> None:
    for stack in stacks or STACKS:
        result = run(stack)
        # Read anew: another stack may have been run meanwhile.
        record = json.loads(RECORD.read_text('utf-8'))
        record.update({stack: result} if result else {})
        RECORD.write_text(json.dumps(record, indent=2) + '\n', 'utf-8')
        write_readme(record)


if __name__ == '__main__':
    main(*sys.argv[1:])
