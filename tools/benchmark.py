"""Compare speed and memory with plain training and with other code.

    python tools/benchmark.py losses
    python tools/benchmark.py teacher --models resnet34 swin-tiny
    python tools/benchmark.py step --json step.json --plot step.svg
    python tools/benchmark.py report step.json

What it measures, and what came out: docs/performance.md.
"""

import os

# Must be set before torch is imported: its profiler, which measures memory,
# would report each start and stop.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')
os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')

from mmnkd.cli._benchmark_old.command import main

if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit('Interrupted.') from None
