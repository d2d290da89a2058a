"""The command: its help, its errors in one line, its exit codes."""

import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

import mmpretrain
import pytest
import tiny
from command import ENVIRONMENT, ROOT

from mmnkd.cli import COMMANDS, main
from mmnkd.cli.configs import configs_folder
from mmnkd.registry import quiet_in_command

HELPS = [['--help'], *([name, '--help'] for name in COMMANDS)]
HELPS += [['benchmark', what, '--help'] for what in ('losses', 'step')]


@pytest.fixture
def fake(monkeypatch):
    """Return what adds a subcommand that does something, and runs it."""

    def run(function):
        command = types.SimpleNamespace(main=function)
        monkeypatch.setitem(sys.modules, 'mmnkd.cli.fake', command)
        monkeypatch.setitem(COMMANDS, 'fake', 'for a test')
        return main(['fake', 'argument'])

    return run


def raising(error):
    def function(arguments):
        raise error

    return function


def usage(capsys, *arguments, code=0):
    """Run what argparse ends; return stdout and stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == code
    return capsys.readouterr()


# Help.


def test_help_is_help_and_nothing_else(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', ENVIRONMENT['COLUMNS'])
    expected = ''
    for arguments in HELPS:
        printed, error = usage(capsys, *arguments)
        assert not error
        name = ' '.join(['mmnkd', *arguments[:-1]])
        assert printed.startswith(f'usage: {name} [-h]')
        expected += printed
    code = (  # in a process that has imported nothing
        'import sys; sys.argv[0] = "bin/mmnkd"\n'
        'from mmnkd.cli import main\n'
        f'for arguments in {HELPS}:\n'
        '    try: main(arguments)\n'
        '    except SystemExit as done: assert done.code == 0'
    )
    assert fresh('-c', code) == (expected, '')


@pytest.mark.skipif(
    sys.version_info < (3, 10), reason="Python doesn't tell what -m names"
)
def test_python_m_mmnkd_is_the_command(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', ENVIRONMENT['COLUMNS'])
    printed, _ = usage(capsys, '--help')
    assert fresh('-m', 'mmnkd', '--help') == (printed, '')


def fresh(*arguments):
    """Return stdout and stderr of Python, with all of its warnings."""
    shown = 'default'
    if tiny.OLD_TORCH:  # it leaves a temporary folder to the end
        shown += ',ignore::ResourceWarning:tempfile'
    environment = {**ENVIRONMENT, 'PYTHONWARNINGS': shown}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'distill on real images in a few minutes'),
        (['trian'], "got 'trian'. Did you mean: mmnkd train?"),
        (['qqq'], "got 'qqq'. mmnkd --help lists them."),
        (['--versoin'], 'are required: COMMAND'),
        (['train'], 'are required: config'),
        (['export', 'only_one'], 'are required: out'),
        (['export', 'a', 'b', '--x'], 'unrecognized arguments: --x'),
    ],
)
def test_wrong_usage_exits_with_2(capsys, arguments, message):
    assert message in usage(capsys, *arguments, code=2).err


@pytest.mark.parametrize('name', COMMANDS)
def test_help_has_two_examples_and_exit_codes(name, capsys):
    printed, _ = usage(capsys, name, '--help')
    _, _, examples = printed.partition('examples:')
    assert examples.count(f'\n  mmnkd {name}') == 2
    assert 'exit codes:' in printed


@pytest.mark.parametrize('name', ['train', 'test'])
def test_help_names_each_option_of_mmpretrains_tool(name, capsys):
    tools = Path(mmpretrain.__file__).parent / '.mim' / 'tools'
    tool = (tools / f'{name}.py').read_text()
    printed, _ = usage(capsys, name, '--help')
    options = set(re.findall(r"'(--[\w-]+)'", tool)) - {'--local-rank'}
    assert len(options) > 8
    assert not {o for o in options if f'  {o} ' not in printed}
    assert max(map(len, printed.splitlines())) < 80


# Ends.


@pytest.mark.parametrize('error', [OSError, FileNotFoundError, ImportError])
def test_a_file_or_package_at_fault_is_told_in_one_line(fake, capsys, error):
    assert fake(raising(error('Expected a file.'))) == 1
    assert capsys.readouterr() == ('', 'mmnkd fake: Expected a file.\n')


@pytest.mark.parametrize(
    'error',
    [
        AssertionError('of ours'),
        ValueError('of the user'),
        OSError(),
        OSError('in a worker\nTraceback …'),
    ],
)
def test_what_one_line_does_not_explain_keeps_its_traceback(fake, error):
    with pytest.raises(type(error)):
        fake(raising(error))


@pytest.mark.parametrize('text', ['', 'Go on with --resume.'])
def test_an_interrupt_exits_with_130(fake, capsys, text):
    assert fake(raising(KeyboardInterrupt(text))) == 130
    expected = text or 'Interrupted.'
    assert capsys.readouterr().err == f'{expected}\n'


# What the stack says of itself.


@pytest.mark.parametrize(
    ('program', 'module', 'is_quiet'),
    [
        ('/env/bin/mmnkd', '', True),
        ('C:/env/Scripts/mmnkd.exe', '', True),
        ('/site-packages/mmnkd/__main__.py', '', True),
        ('-m', 'mmnkd', True),
        ('-m', 'mine', False),
        ('/home/mmnkd/train.py', '', False),
    ],
)
def test_only_the_command_is_quiet(
    monkeypatch, capsys, program, module, is_quiet
):
    monkeypatch.setattr(sys, 'argv', [program])
    monkeypatch.setattr(
        sys, 'orig_argv', ['python', '-m', module], raising=False
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        with quiet_in_command():
            warnings.warn('of the stack', stacklevel=1)
            print('of the stack')
        warnings.warn('of the user', stacklevel=1)
        print('of the user')
    expected = ['of the user'] if is_quiet else ['of the stack', 'of the user']
    assert [str(warning.message) for warning in caught] == expected
    assert capsys.readouterr().out.splitlines() == expected


# Where the configs are.


def test_configs_are_found_in_a_checkout_and_in_a_wheel(monkeypatch, tmp_path):
    assert configs_folder() == ROOT / 'configs'
    module = tmp_path / 'site-packages' / 'mmnkd' / 'cli' / 'configs.py'
    monkeypatch.setattr('mmnkd.cli.configs.__file__', str(module))
    with pytest.raises(FileNotFoundError, match='configs in .*mmnkd/.mim'):
        configs_folder()
    in_wheel = module.parents[1] / '.mim' / 'configs'
    (in_wheel / '_base_').mkdir(parents=True)
    assert configs_folder() == in_wheel
