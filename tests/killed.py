"""Run the command `mmnkd`, and kill it inside a write.

The first argument is the number of the call of fsync at which that happens: a
file's odd ones come before it gets its name, even ones after it. The second is
the share of the file that is left.
"""

import os
import signal
import sys


def die_at(call, share):
    """Let a later call of fsync be the last thing that this process does."""
    sync, left = os.fsync, [call]

    def sync_or_die(descriptor):
        left[0] -= 1
        if left[0] == 0:
            if share < 1:
                size = os.fstat(descriptor).st_size
                os.ftruncate(descriptor, int(share * size))
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = sync_or_die


if __name__ == '__main__':
    from mmnkd.cli import main

    die_at(int(sys.argv[1]), float(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
