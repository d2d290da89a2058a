"""Work_dirs are read as mmengine leaves them, or it is an error."""

import json

import pytest
import tiny

from mmnkd.compare.runs import find_runs, read_run


def epochs(numbers, top1=50.0, **more):
    """Return the lines of some epochs with two iterations each."""
    lines = []
    for epoch in numbers:
        for step in (2 * epoch - 1, 2 * epoch):
            of_train = {'loss': 1.0, 'epoch': epoch, 'iter': step, **more}
            lines.append(json.dumps({**of_train, 'step': step}))
        of_val = {'accuracy/top1': top1 + epoch, 'step': epoch}
        lines.append(json.dumps(of_val))
    return lines


def test_a_training_is_read(trained):
    run = read_run(trained / 'nkd_2')
    assert list(run.val['accuracy/top1']) == [1, 2]
    assert sorted(run.losses) == [
        'loss_cls',
        'loss_nkd_nontarget',
        'loss_nkd_target',
    ]
    assert run.by_epoch
    assert run.seed == 2
    assert run.checkpoint() == trained / 'nkd_2' / 'epoch_2.pth'


def test_the_loss_of_plain_mmpretrain_is_loss_cls(trained):
    run = read_run(trained / 'plain_1')
    assert run.losses == {'loss_cls': run.train['loss']}


def test_a_resumed_training_is_one(tmp_path):
    keys = {'val_cfg': {}, 'train_cfg': {'by_epoch': True, 'max_epochs': 1}}
    tiny.train(tiny.resnet(), tmp_path, **keys)
    keys['train_cfg']['max_epochs'] = 3
    # mmengine names the folder of a log by the second.
    (first,) = (p for p in tmp_path.iterdir() if p.is_dir())
    first.rename(tmp_path / '20200101_000000')
    tiny.train(tiny.resnet(), tmp_path, resume=True, **keys)
    run = read_run(tmp_path)
    assert list(run.val['accuracy/top1']) == [1, 2, 3]
    assert list(run.train['loss']) == [4, 8, 12]


def test_what_is_done_again_after_a_resume_counts_once(log):
    log('run', *epochs([1, 2, 3]))
    folder = log('run', *epochs([2], top1=70.0), time='20260102_000000')
    run = read_run(folder)
    assert run.val['accuracy/top1'] == {1: 51.0, 2: 72.0}
    assert list(run.train['loss']) == [1, 2, 3, 4]


def test_a_test_in_the_same_folder_is_no_training(log):
    log('run', *epochs([1]))
    line = '{"accuracy/top1": 99.0, "step": 0}'
    run = read_run(log('run', line, time='20260102_000000'))
    assert run.val['accuracy/top1'] == {1: 51.0}


def test_a_training_by_iterations_counts_those(log):
    lines = ['{"loss": 2.0, "iter": 10, "step": 10}']
    run = read_run(log('run', *lines, '{"accuracy/top1": 5.0, "step": 10}'))
    assert not run.by_epoch
    assert run.val['accuracy/top1'] == {10: 5.0}


def test_an_iteration_based_loop_is_read_as_mmengine_logs_it(tmp_path):
    keys = {
        'train_cfg': {'by_epoch': False, 'max_iters': 6, 'val_interval': 2},
        'default_hooks': {'logger': {'type': 'LoggerHook', 'interval': 1}},
        'val_cfg': {},
    }
    tiny.train(tiny.resnet(), tmp_path, **keys)
    run = read_run(tmp_path)
    assert not run.by_epoch
    assert list(run.val['accuracy/top1']) == [2, 4, 6]


def test_a_last_line_that_was_cut_off_is_left_out(log):
    run = read_run(log('run', *epochs([1]), '{"loss": 1.0, "ep'))
    assert list(run.train['loss']) == [1, 2]


def test_another_broken_line_is_told(log):
    folder = log('run', '{"loss":', *epochs([1]))
    with pytest.raises(ValueError, match='JSON in line 1 of .*scalars.json'):
        read_run(folder)


def test_a_run_without_a_config_has_no_seed(log):
    run = read_run(log('run', *epochs([1])))
    assert run.seed is None
    assert run.config_file is None


def test_the_last_checkpoint_is_taken(log):
    run = read_run(log('run', *epochs([1])))
    with pytest.raises(FileNotFoundError, match=r'a checkpoint in .*epoch_\*'):
        run.checkpoint()
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_top1_epoch_8.pth'):
        (run.folder / name).touch()
    assert run.checkpoint().name == 'epoch_10.pth'
    (run.folder / 'last_checkpoint').write_text('/elsewhere/epoch_9.pth')
    assert run.checkpoint().name == 'epoch_9.pth'


# What the user gives.


def test_a_home_folder_is_found(log, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    log('run', *epochs([1]))
    assert find_runs(['a=~/ru*'])['a'][0].folder == tmp_path / 'run'


def test_a_pattern_gives_the_seeds_of_a_name(trained):
    runs = find_runs([f'a={trained}/plain_*', f'b={trained}/nkd_2'])
    seeds = {name: [run.seed for run in some] for name, some in runs.items()}
    assert seeds == {'a': [1, 2], 'b': [2]}
    more = find_runs([f'a={trained}/plain_1', f'a={trained}/plain_2'])
    assert [run.seed for run in more['a']] == [1, 2]


@pytest.mark.parametrize('text', ['work_dirs/a', '=work_dirs/a', 'a='])
def test_a_name_and_a_folder_are_needed(text):
    with pytest.raises(ValueError, match='Expected NAME=WORK_DIR'):
        find_runs([text])


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="for 'a', but there is none"):
        find_runs([f'a={tmp_path}/no_*'])


def test_a_folder_without_logs_is_told_with_what_is_inside(log, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='Is it the work_dir of a tr'):
        find_runs([f'a={tmp_path}/empty'])
    log('outer/seed_0', *epochs([1]))
    with pytest.raises(FileNotFoundError, match=r"give '.*outer/\*'"):
        find_runs([f'a={tmp_path}/outer'])


def test_one_run_under_two_names_is_refused(trained):
    named = [f'a={trained}/plain_*', f'b={trained}/plain_2']
    with pytest.raises(ValueError, match="plain_2' is of 'a' and of 'b'"):
        find_runs(named)
