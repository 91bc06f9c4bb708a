"""Every command with every fault of the Kubernetes API, at every call that a run of it makes: docs/faults.md.

`scenes` has the commands, `kinds` the faults, `server` the API server that has them (a stand-in), `runs` runs a command in
this process, `verdict` judges what came of it, `table` puts it together.

    python -m tests.integration.faults > docs/faults.md
"""
