#!/usr/bin/env bash
# Install the wheel in dist/ with each extra, each into an environment of its
# own with the pinned versions, and use it. By hand and before a release: 6 GB.
#   tests/wheel.sh [EXTRA ...]
# All are copies of one environment, which has the wheel and so torch alone.
# "plain" adds timm; demo, onnx and report, in this order, add a stack.
set -euo pipefail
export OMP_NUM_THREADS=1
cd "$(dirname "$0")/.."
root=$PWD
wheel=$(ls "$root"/dist/mmnkd-*.whl)
all=$(mktemp -d)
trap 'rm -rf "$all"' EXIT
python3 -m venv "$all/torch"

install() {  # ENVIRONMENT STACK PACKAGE...
    "$1/bin/python" -m pip install --quiet --no-compile --constraint \
        "$root/requirements/$2.txt" --constraint "$root/requirements/dev.txt" "${@:3}"
}

install "$all/torch" openmmlab "$wheel"
if [ $# = 0 ]; then set -- plain onedl openmmlab demo onnx report; fi
for extra in "$@"; do
    cp --archive --link "$all/torch" "$all/$extra"
    cd "$all"
    case $extra in
        plain) install plain openmmlab timm ;;
        onedl) install onedl onedl "$wheel[onedl]" ;;
        openmmlab) install openmmlab openmmlab "$wheel[openmmlab]" ;;
        *) install "$extra" openmmlab "$wheel[openmmlab,$extra]" ;;
    esac
    python="$all/$extra/bin/python"
    case $extra in
        plain) "$python" "$root/examples/plain_pytorch.py" ;;
        onedl | openmmlab)
            "$python" -m mmnkd list losses | grep NKDLoss
            "$python" -m mmnkd show tf-nkd_tiny_1xb64_digits > student.py
            "$python" -c "
import torch
from mmpretrain import get_model
model = get_model('student.py')
torch.save({'state_dict': model.state_dict()}, 'student.pth')"
            "$python" -m mmnkd export student.pth "$extra.safetensors" ;;
        demo) "$python" -m mmnkd demo --seeds 2 --epochs 1 ;;
        onnx) "$python" -m mmnkd export student.pth student.onnx \
            --config student.py --image-size 8 ;;
        report)
            "$python" -c \
                'from mmnkd.metrics import CalibrationError; CalibrationError()'
            "$python" -m mmnkd compare \
                'baseline=work_dirs/demo/baseline_tiny_1xb64_digits/seed_*' \
                'NKD=work_dirs/demo/nkd_wide_tiny_1xb64_digits/seed_*' \
                --out report.html ;;
    esac
    cd "$root"
    rm -rf "${all:?}/$extra"
    echo "mmnkd[$extra]: installed and used"
done
