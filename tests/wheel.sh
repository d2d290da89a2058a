#!/usr/bin/env bash
# Install the wheel in dist/ with each extra, each into an empty environment
# with the pinned versions, and use it. By hand and before a release: some GB.
#   tests/wheel.sh [EXTRA ...]
# The extra "plain" has torch and timm alone, and runs examples/plain_pytorch.py.
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=$(ls "$PWD"/dist/mmnkd-*.whl)
extras=("${@:-plain demo onnx report openmmlab onedl}")
# shellcheck disable=SC2068  # the default is a list of words
for extra in ${extras[@]}; do
    folder=$(mktemp -d)
    python3 -m venv "$folder/env"
    case $extra in
        plain) pins=openmmlab what="$wheel timm" ;;
        onedl) pins=onedl what="$wheel[onedl]" ;;
        *) pins=openmmlab what="$wheel[$extra]" ;;
    esac
    # shellcheck disable=SC2086  # a wheel, and maybe a package beside it
    "$folder/env/bin/pip" install --quiet --constraint \
        "requirements/$pins.txt" --constraint requirements/dev.txt $what
    cd "$folder"
    env/bin/python -c '
import torch
from mmnkd.functional import nkd_loss
student, teacher = torch.randn(2, 4, 10)
assert nkd_loss(student, teacher, torch.arange(4)) > 0'
    case $extra in
        plain) env/bin/python "$OLDPWD/examples/plain_pytorch.py" ;;
        openmmlab | onedl)
            env/bin/mmnkd --version
            env/bin/python -c "
from mmengine.registry import MODELS
import mmnkd
assert 'NKDLoss' in MODELS.module_dict" ;;
    esac
    cd - > /dev/null
    rm -rf "$folder"
    echo "mmnkd[$extra]: installed and used"
done
