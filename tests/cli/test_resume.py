"""Which file a training goes on from, and what is asked of it."""

import os

import pytest
import tiny
import torch
from mmengine.config import Config

from mmnkd.cli.resume import LoadedHook, bare_model, choose_checkpoint
from mmnkd.diagnosis.first_step import num_classes_of


def save(path, epoch, **parts):
    """Save what a Runner would after an epoch of ten iterations."""
    content = {
        'meta': {'epoch': epoch, 'iter': 10 * epoch},
        'message_hub': {},
        'state_dict': {'a': torch.arange(4096.0)},
        'optimizer': {},
        **parts,
    }
    torch.save({k: v for k, v in content.items() if v is not None}, path)


def chosen(folder, **keys):
    config = Config({'work_dir': str(folder), 'resume': True, **keys})
    choose_checkpoint(config)
    return config.get('load_from') and os.path.basename(config.load_from)


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


def flip_a_bit_of_a_weight(path):
    data = bytearray(path.read_bytes())
    at = data.index(torch.arange(4096.0).numpy().tobytes()) + 9000
    data[at] ^= 1
    path.write_bytes(data)


@tiny.needs_safe_globals
@pytest.mark.parametrize(
    'harm',
    [
        lambda path: path.write_bytes(b''),
        lambda path: cut(path, 100),
        lambda path: cut(path, path.stat().st_size // 2),
        lambda path: cut(path, path.stat().st_size - 1),
        lambda path: path.write_text('<html>quota exceeded</html>'),
        flip_a_bit_of_a_weight,
        lambda path: torch.save({'message_hub': {}}, path),
    ],
    ids=['empty', 'start', 'half', 'a byte less', 'html', 'bit', 'no meta'],
)
def test_a_broken_newest_file_is_passed_over(harm, tmp_path, log_text):
    for epoch in (1, 2, 10):
        save(tmp_path / f'epoch_{epoch}.pth', epoch)
    harm(tmp_path / 'epoch_10.pth')
    assert chosen(tmp_path) == 'epoch_2.pth'
    assert 'epoch_10.pth is not whole: ' in log_text()
    assert 'epoch_2.pth, the newest whole checkpoint: epoch 2, ' in log_text()


@tiny.needs_safe_globals
def test_tensors_are_read_once_by_who_loads_them(tmp_path, monkeypatch):
    save(tmp_path / 'epoch_1.pth', 1)
    mapped, load = [], torch.load

    def recorded(*args, mmap=None, **kwargs):
        mapped.append(mmap)
        return load(*args, mmap=mmap, **kwargs)

    monkeypatch.setattr(torch, 'load', recorded)
    assert chosen(tmp_path) == 'epoch_1.pth'
    assert mapped == [True]


@tiny.needs_safe_globals
def test_a_file_that_can_not_be_read_now_is_not_passed_over(
    tmp_path, monkeypatch
):
    save(tmp_path / 'epoch_1.pth', 1)

    def refused(*args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(torch, 'load', refused)
    with pytest.raises(PermissionError):
        chosen(tmp_path)


def test_the_classes_of_a_wrapped_model_are_known(tmp_path):
    run = tiny.runner(tiny.resnet(classes=7), tmp_path)
    run.model = torch.nn.DataParallel(run.model)
    assert num_classes_of(bare_model(run)) == 7


@tiny.needs_safe_globals
@pytest.mark.parametrize('pointer', ['', '/moved/epoch_3.pth', 'epoch_1.pth'])
def test_last_checkpoint_is_not_relied_on(pointer, tmp_path):
    for epoch in (1, 2):
        save(tmp_path / f'epoch_{epoch}.pth', epoch)
    (tmp_path / 'last_checkpoint').write_text(pointer)
    assert chosen(tmp_path) == 'epoch_2.pth'


@tiny.needs_safe_globals
def test_best_files_count(tmp_path, log_text):
    save(tmp_path / 'epoch_2.pth', 2)
    best = tmp_path / 'best_accuracy_top1_epoch_2.pth'
    save(best, 2, optimizer=None)
    assert chosen(tmp_path) == 'epoch_2.pth'
    save(best, 3, optimizer=None)
    assert chosen(tmp_path) == best.name
    assert 'no state of the optimizer' in log_text()


@tiny.needs_safe_globals
def test_what_is_no_training_is_no_candidate(tmp_path, log_text):
    save(tmp_path / 'exported.pth', 9, message_hub=None)
    (tmp_path / '.epoch_3.pth.part').write_bytes(b'half')
    assert chosen(tmp_path) is None
    assert not (tmp_path / '.epoch_3.pth.part').exists()
    assert 'Nothing to resume' in log_text()
    save(tmp_path / 'epoch_1.pth', 1)
    assert chosen(tmp_path) == 'epoch_1.pth'


@tiny.needs_safe_globals
def test_who_starts_anew_resumes_nothing(tmp_path):
    # mmengine would follow this to a file that is no candidate.
    (tmp_path / 'last_checkpoint').write_text('/moved/epoch_3.pth')
    config = Config({'work_dir': str(tmp_path), 'resume': True})
    choose_checkpoint(config)
    assert config.resume is False


@tiny.needs_safe_globals
def test_where_no_file_is_whole_nothing_is_overwritten(tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(ValueError, match=r"none of \['epoch_1.pth'\] is one"):
        chosen(tmp_path)


@tiny.needs_safe_globals
def test_files_are_looked_for_where_the_hook_writes(tmp_path):
    save_to = tmp_path / 'elsewhere' / 'run'
    save_to.mkdir(parents=True)
    save(save_to / 'epoch_1.pth', 1)

    def hooks(folder):
        return {'default_hooks': {'checkpoint': {'out_dir': folder}}}

    run = tmp_path / 'run'
    assert chosen(run, **hooks(str(tmp_path / 'elsewhere'))) == 'epoch_1.pth'
    assert chosen(run, **hooks('s3://bucket')) is None


@tiny.needs_safe_globals
def test_what_the_user_names_is_taken(tmp_path):
    save(tmp_path / 'epoch_1.pth', 1)
    assert chosen(tmp_path, load_from='mine.pth') == 'mine.pth'
    assert chosen(tmp_path, resume=False) is None


def schedule(run):
    return [group['lr'] for group in run.optim_wrapper.param_groups]


@tiny.needs_safe_globals
def test_learning_rates_catch_up_after_a_best_file(tmp_path):
    scheduler = [
        {
            'type': 'LinearLR',
            'start_factor': 0.1,
            'by_epoch': False,
            'end': 6,
        },
        {'type': 'CosineAnnealingLR', 'begin': 1, 'end': 4},
    ]
    keys = {'param_scheduler': scheduler, 'epochs': 4}
    whole = tiny.train(tiny.resnet(), tmp_path / 'whole', **keys)
    best = tiny.saved(tmp_path / 'whole' / 'epoch_3.pth')
    rates = [group['lr'] for group in best['optimizer']['param_groups']]
    for part in ('optimizer', 'param_schedulers'):
        del best[part]
    torch.save(best, tmp_path / 'best.pth')
    file = str(tmp_path / 'best.pth')
    run = tiny.runner(
        tiny.resnet(), tmp_path, load_from=file, resume=True, **keys
    )
    run.register_hook(LoadedHook('resume', file))
    seen = []
    run.call_hook = _before(run.call_hook, 'before_train_epoch', seen, run)
    run.train()
    assert seen == [rates]
    assert schedule(run) == schedule(whole)


def _before(call, name, seen, run):
    def recording(point, **kwargs):
        if point == name:
            seen.append(schedule(run))
        return call(point, **kwargs)

    return recording


def loading(wants, content, tmp_path, model=None):
    torch.save(content, tmp_path / 'x.pth')
    source = str(tmp_path / 'x.pth')
    run = tiny.runner(
        model or tiny.resnet(),
        tmp_path,
        test_cfg={},
        load_from=source,
        resume=wants == 'resume',
    )
    run.register_hook(LoadedHook(wants, source))
    run.test() if wants == 'test' else run.train()


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    other = tiny.build(tiny.vit()).state_dict()
    with pytest.raises(ValueError, match='fit ImageClassifier exactly'):
        loading('test', {'state_dict': other}, tmp_path)
    with pytest.raises(ValueError, match='none of the .* fits: .*backbone'):
        loading('weights', {'state_dict': other}, tmp_path)
    training = {'meta': {'epoch': 1, 'iter': 4}, 'message_hub': {}}
    with pytest.raises(ValueError, match='fit ImageClassifier exactly'):
        loading('resume', {'state_dict': other, **training}, tmp_path)
    same = tiny.build(tiny.resnet()).state_dict()
    with pytest.raises(ValueError, match='a checkpoint of a training, but it'):
        loading('resume', {'state_dict': same}, tmp_path)


def test_a_checkpoint_of_the_same_network_is_taken(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    loading('test', {'state_dict': weights}, tmp_path)
    weights['distill_losses.mine.weight'] = torch.ones(1)
    loading('test', {'state_dict': weights}, tmp_path)
    part = {
        f'module.{name}': value
        for name, value in weights.items()
        if not name.startswith('head')
    }
    loading('weights', part, tmp_path)
