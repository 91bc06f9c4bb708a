"""Odd input for everything that reads what others wrote.

    make fuzz                                            each target for a fixed number of runs, always the same ones
    make fuzz FUZZ_RUNS=1000000 FUZZ_SEED=7              more, and others
    .venv/bin/python -m tests.fuzz archives --file X     one input again

`targets.py` says what is fed and what has to hold, `seeds.py` with which examples it begins. With atheris the inputs are
led by what of the code they reach; without it (there are wheels for Linux on x86-64 only) they are the examples, changed at
random.
"""
