"""What scripts/check-exports does in Python: check_exports.py FOLDER SWEEP. Imports each export with its own tool."""

import gzip
import http.server
import json
import os
import sqlite3
import struct
import subprocess
import sys
import threading
import zlib
from datetime import datetime
from pathlib import Path

import pandas

folder, sweep = Path(sys.argv[1]), sys.argv[2]
FIXED = ["sweep", "revision", "job", "row", "kind", "state", "chosen", "started_ms", "finished_ms", "seconds"]


def prove(text):
    print(f"ok: {text}")


def same(found, expected):
    """Equal to the last bit."""
    assert float(found) == float(expected), f"{found} is not {expected}"


# CSV: what the other exports are compared with. `round_trip` reads numbers to the last bit.
table = pandas.read_csv(folder / "csv/runs.csv", float_precision="round_trip", dtype={"job": str, "revision": int})
runs = {row["job"]: row.dropna().to_dict() for _, row in table.iterrows()}
assert len(runs) == len(table) > 0
metrics = [name for name in table.columns if name.split(".")[0] in ("accuracy", "normalised") or name.startswith("mean_")]
assert metrics
states = table["state"].value_counts().to_dict()
for run in runs.values():
    has = [name for name in metrics if name in run]
    assert bool(has) == (run["state"] == "finished"), f"{run['job']} is {run['state']} and has {has}"
    assert run["kind"] in ("candidate", "baseline", "reference", "subset")
raced = [run for run in runs.values() if run["state"] == "raced"]
for run in raced:
    assert run["race_examples"] < run["race_examples_of"]
chosen = [run for run in runs.values() if run["chosen"]]
prove(f"pandas reads {len(runs)} runs ({states}); only those that finished have metrics")

# MLflow, through its own client, and through its migration to SQLite.
from mlflow import MlflowClient
from mlflow.entities import ViewType


def check_mlflow(uri, what):
    client = MlflowClient(tracking_uri=uri)
    [experiment] = [one for one in client.search_experiments() if one.name == sweep]
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, max_results=1000)
    assert {run.data.tags["bowline.job"] for run in found} == set(runs)
    numbers = 0
    for run in found:
        expected = runs[run.data.tags["bowline.job"]]
        assert run.info.status == {"finished": "FINISHED", "raced": "KILLED"}.get(expected["state"], "FAILED")
        assert run.data.tags["bowline.kind"] == expected["kind"]
        assert set(run.data.metrics) & set(metrics) == {name for name in metrics if name in expected}
        for name, value in run.data.metrics.items():
            same(value, expected[name])
            numbers += 1
        if "scaling" in expected:
            same(run.data.params["scaling"], expected["scaling"])
        if expected["state"] == "finished":
            assert run.info.end_time == expected["finished_ms"] >= run.info.start_time == expected["started_ms"]
    prove(f"{what}: {len(found)} runs, {numbers} metrics, equal to the last bit")


check_mlflow(f"file://{folder}/mlflow/mlruns", "MLflow's client reads the file store")
database = f"sqlite:///{folder}/mlflow.db"
migrated = subprocess.run(
    ["mlflow", "migrate-filestore", "--source", f"{folder}/mlflow/mlruns", "--target", database], capture_output=True, text=True
)
if migrated.returncode == 0:
    check_mlflow(database, "MLflow migrates it to SQLite and reads that")
else:
    print(f"not checked: `mlflow migrate-filestore` fails here: {migrated.stderr.strip().splitlines()[-1:]}")

# W&B: the log by the rules of LevelDB, the records by W&B's own protocol buffers.
from wandb.proto import wandb_internal_pb2 as internal

BLOCK, HEADER = 32768, 7


def records(path):
    data = path.read_bytes()
    assert struct.unpack("<4sHB", data[:HEADER]) == (b":W&B", 0xBEE1, 0)
    at, whole = HEADER, b""
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        checksum, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        piece = data[at + HEADER : at + HEADER + length]
        assert zlib.crc32(bytes([kind]) + piece) == checksum
        whole += piece
        at += HEADER + length
        if kind in (1, 4):
            record = internal.Record()
            record.ParseFromString(whole)
            assert not record.FindInitializationErrors()
            yield record
            whole = b""


numbers = 0
logs = sorted((folder / "wandb/wandb").glob("offline-run-*/run-*.wandb"))
assert len(logs) == len(runs)
for log in logs:
    found = {record.WhichOneof("record_type"): record for record in records(log)}
    run = found["run"].run
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    expected = runs[config["job"]]
    assert log.name == f"run-{run.run_id}.wandb" and run.project == sweep and config["state"] == expected["state"]
    summary = {item.key: json.loads(item.value_json) for item in found["summary"].summary.update}
    assert set(summary) & set(metrics) == {name for name in metrics if name in expected}
    for name, value in summary.items():
        if not name.startswith("_"):
            same(value, expected[name])
            numbers += 1
    if expected["state"] == "finished":
        history = {item.key: json.loads(item.value_json) for item in found["history"].history.item}
        assert history == summary
    assert found["exit"].exit.exit_code == (expected["state"] in ("failed", "missing"))
prove(f"W&B's protocol buffers read {len(logs)} offline runs, {numbers} metrics, equal to the last bit")

class Server(http.server.BaseHTTPRequestHandler):
    """As much of W&B's server as `wandb sync` asks for, on loopback. It keeps what arrives."""

    config, history, state = {}, {}, {}

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = {}
        if self.path.startswith("/graphql"):
            asked = json.loads(body)
            values = asked.get("variables") or {}
            if "upsertBucket" in asked["query"]:
                # Later ones say what has changed since.
                if values.get("config"):
                    self.config.setdefault(values["name"], values)
                project = {"id": "p", "name": values["project"], "entity": {"id": "e", "name": "me"}}
                bucket = {"id": "b", "name": values["name"], "project": project, "config": "{}", "historyLineCount": 0}
                answer = {"upsertBucket": {"bucket": bucket, "inserted": True}}
            elif "createRunFiles" in asked["query"]:
                url = f"http://{self.headers['host']}/upload/"
                files = [{"name": name, "uploadUrl": url + name} for name in values["files"]]
                answer = {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
            elif "viewer" in asked["query"]:
                answer = {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
            answer = {"data": answer}
        elif self.path.endswith("/file_stream"):
            run = self.path.split("/")[-2]
            stream = json.loads(body)
            for line in stream.get("files", {}).get("wandb-history.jsonl", {}).get("content", []):
                self.history.setdefault(run, []).append(json.loads(line))
            if "exitcode" in stream:
                self.state[run] = stream["exitcode"]
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = os.environ | {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40}
folders = [str(log.parent.relative_to(folder / "wandb")) for log in logs]
synced = subprocess.run(["wandb", "sync", *folders], cwd=folder / "wandb", env=environment, capture_output=True, text=True)
assert synced.returncode == 0, synced.stdout + synced.stderr
assert len(Server.config) == len(runs)
numbers = 0
for run_id, values in Server.config.items():
    config = json.loads(values["config"])
    expected = runs[config["job"]["value"]]
    assert values["project"] == sweep and values["jobType"] == expected["kind"]
    assert expected["state"] in values["tags"], values
    if "scaling" in expected:
        same(config["scaling"]["value"], expected["scaling"])
    found = Server.history.get(run_id, [])
    assert len(found) == (expected["state"] == "finished")
    for line in found:
        for name in metrics:
            assert (name in line) == (name in expected)
            if name in line:
                same(line[name], expected[name])
                numbers += 1
    assert Server.state[run_id] == (expected["state"] in ("failed", "missing"))
prove(f"`wandb sync` uploads {len(Server.config)} runs to a server on loopback: {numbers} metrics, equal to the last bit")

# Trackio: by the script that lies in the export.
done = subprocess.run([sys.executable, str(folder / "trackio/import.py")], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
again = subprocess.run([sys.executable, str(folder / "trackio/import.py")], capture_output=True, text=True)
assert again.returncode != 0 and "has runs already" in again.stderr
[database] = Path(os.environ["TRACKIO_DIR"]).glob("*.db")
connection = sqlite3.connect(database)
configs = {run: json.loads(config) for run, config in connection.execute("select run_id, config from configs")}
numbers = 0
logged = list(connection.execute("select run_id, metrics, timestamp from metrics"))
assert len(logged) == len(configs) == len(runs)
for run_id, values, _ in logged:
    expected = runs[configs[run_id]["job"]]
    values = json.loads(values)
    assert set(values) & set(metrics) == {name for name in metrics if name in expected}
    for name, value in values.items():
        same(value, expected[name])
        numbers += 1
from trackio.sqlite_storage import SQLiteStorage

assert len(SQLiteStorage.get_runs(sweep)) == len(runs)
prove(f"Trackio imports {len(logged)} runs, {numbers} metrics, equal to the last bit, and refuses the project a second time")

# The hub: the card as `huggingface_hub` reads it.
from huggingface_hub import ModelCard

card = ModelCard.load(folder / "hf/README.md")
results = card.data.eval_results
[reported] = [run for run in chosen if run["split"] == results[0].dataset_split]
for result in results:
    if result.metric_type == "accuracy":
        same(result.metric_value, reported[f"accuracy.{result.dataset_name}"])
    elif result.metric_type == "mean_accuracy":
        same(result.metric_value, reported["mean_accuracy"])
    elif result.metric_type == "mean_normalised_accuracy":
        same(result.metric_value, reported["mean_normalised"])
tasks = [result.task_type for result in results]
prove(f"huggingface_hub reads {len(results)} results of {set(tasks)} from the model card, equal to the last bit")
adapter = folder / "hf/adapter_config.json"
assert adapter.exists() and json.loads(adapter.read_text())["peft_type"] == "LORA"
prove("the folder has the winner's adapter")

# Results on a benchmark of the hub, as `huggingface_hub` reads and would write them: `--eval-task` of a sweep that takes its data
# from the hub. The sweep is the one from before, whose manifest is changed to say so.
import yaml
from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

if (folder / "hub").exists():
    [file] = (folder / "hub/.eval_results").glob("*.yaml")
    content = yaml.safe_load(file.read_text())
    [entry] = parse_eval_result_entries(content)
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("ylecun/mnist", "default", "0123abcd")
    same(entry.value, reported["accuracy.mnist"])
    newest = max(run.get("finished_ms", 0) for run in runs.values())
    assert 0 <= newest - datetime.fromisoformat(entry.date).timestamp() * 1000 < 1000
    assert entry.source_url is None and "share of right answers" in entry.notes
    assert eval_result_entries_to_yaml([entry]) == content
    prove(f"huggingface_hub reads {file.name} of .eval_results, equal to the last bit, and would write the same")
