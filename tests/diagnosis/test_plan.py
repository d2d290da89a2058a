"""What a config will do, read off."""

import pytest
from mmengine.config import Config

from mmnkd.diagnosis.plan import check_plan, read_plan


def config(**keys):
    return Config(
        {
            'model': {'type': 'ImageClassifier'},
            'train_cfg': {'by_epoch': True, 'max_epochs': 10},
            'train_dataloader': {
                'batch_size': 32,
                'dataset': {'pipeline': [{'type': 'PackInputs'}]},
            },
            'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
            **keys,
        }
    )


def test_plan_has_what_the_config_says():
    plan = read_plan(
        config(
            optim_wrapper={
                'type': 'AmpOptimWrapper',
                'accumulative_counts': 2,
                'optimizer': {'type': 'AdamW', 'lr': 1e-3},
            },
            param_scheduler=[{'type': 'LinearLR'}, {'type': 'StepLR'}],
            custom_hooks=[{'type': 'EMAHook'}],
            data_preprocessor={
                'batch_augments': {'augments': [{'type': 'Mixup'}]}
            },
        ),
        processes=4,
    )
    assert plan.total_batch == 32 * 4 * 2
    assert (plan.optimizer, plan.lr) == ('AdamW', 1e-3)
    assert plan.schedule == ['LinearLR', 'StepLR']
    assert plan.pipeline == ['PackInputs']
    assert plan.batch_augments == ['Mixup']
    assert plan.ema
    assert plan.amp == 'float16'


def test_pipeline_is_found_inside_data_sets_that_wrap_others():
    inner = {'pipeline': [{'type': 'Resize'}]}
    for dataset in ({'dataset': {'dataset': inner}}, {'datasets': [inner]}):
        loader = {'batch_size': 8, 'dataset': dataset}
        assert read_plan(config(train_dataloader=loader)).pipeline == [
            'Resize'
        ]


@pytest.mark.parametrize(
    ('images', 'processes', 'drop_last', 'steps'),
    [(100, 1, False, 40), (100, 1, True, 30), (100, 2, False, 20)],
)
def test_steps_are_those_of_all_epochs(images, processes, drop_last, steps):
    loader = {'batch_size': 32, 'drop_last': drop_last}
    plan = read_plan(config(train_dataloader=loader), processes)
    assert plan.steps(images) == steps


def test_a_training_by_iterations_has_them_as_steps():
    loop = {'by_epoch': False, 'max_iters': 7}
    assert read_plan(config(train_cfg=loop)).steps(100) == 7


def test_a_learning_rate_for_another_batch_is_a_warning():
    scaling = {'base_batch_size': 256}
    plan = read_plan(config(auto_scale_lr=scaling))
    (finding,) = check_plan(plan)
    assert (finding.name, finding.level) == ('batch-size', 'warning')
    assert 'a total batch of 256' in finding.message
    assert 'it is 32' in finding.message
    assert 'the rate then is 0.0125' in finding.fix
    assert 'on 8 GPUs' in finding.fix
    assert not check_plan(read_plan(config(auto_scale_lr=scaling), 8))
    scaling['enable'] = True
    scaled = read_plan(config(auto_scale_lr=scaling))
    assert scaled.lr == pytest.approx(0.0125)
    assert not check_plan(scaled)


def test_a_config_that_can_not_train_is_refused():
    with pytest.raises(ValueError, match=r"has no \['train_cfg'\]"):
        read_plan(config(train_cfg=None))
