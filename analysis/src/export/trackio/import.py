"""Puts the runs of runs.jsonl, beside this file, into a project of Trackio on this machine.

    pip install trackio
    python import.py [PROJECT]      # default: the name of the sweep

Then `trackio show --project PROJECT` shows them. Nothing is sent anywhere. A project that has runs is refused.
Tried with Trackio 0.43.
"""

import json
import sys
from pathlib import Path

from trackio.sqlite_storage import SQLiteStorage

lines = Path(__file__).with_name("runs.jsonl").read_text(encoding="utf-8").splitlines()
runs = [json.loads(line) for line in lines]
if not runs:
    sys.exit("runs.jsonl holds no run")
project = sys.argv[1] if len(sys.argv) > 1 else runs[0]["project"]
if SQLiteStorage.get_runs(project):
    sys.exit(f"the project {project} has runs already; name another one")
for run in runs:
    # Runs without metrics (raced out, failed) are there with their configuration.
    SQLiteStorage.bulk_log(
        project=project,
        run=run["run"],
        run_id=run["run_id"],
        metrics_list=[run["metrics"]],
        steps=[0],
        timestamps=[run["timestamp"]],
        config=run["config"],
    )
print(f"imported {len(runs)} runs into the project {project}")
