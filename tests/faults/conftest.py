"""What the tests of faults run in processes of their own holds no tests."""

collect_ignore = ['killed.py']
