"""What the users of `scripts/play-users` do in Python, and what is checked of their results."""

import argparse
import json
import pathlib


def rows_of(result):
    """The rows of a sweep, none of whose jobs failed."""
    document = json.loads(result.read_text())
    if document["counts"]["failed"] != 0:
        raise SystemExit(f"{document['counts']['failed']} jobs failed")
    return document["rows"]


def chosen_of(rows):
    chosen = [row for row in rows if row["is_chosen"]]
    if len(chosen) != 1 or not isinstance(chosen[0]["value"], float):
        raise SystemExit(f"{len(chosen)} rows are chosen, expected one with a value")
    return chosen[0]


def load(arguments):
    """Loads the winner with PEFT, and compares what it has right with what the sweep counted."""
    from clip_tasks import Pixels, count, load_head, load_model, read_split
    from peft import PeftModel

    model = load_model(arguments.base)
    model.vision_model = PeftModel.from_pretrained(model.vision_model, arguments.best).eval()
    pixels = Pixels(arguments.base)
    for task in chosen_of(rows_of(arguments.result))["splits"]["test"]["tasks"]:
        name = task["task"]
        images, labels = read_split(arguments.data / name, "test")
        found = count(model, pixels, images, labels, load_head(arguments.heads / f"{name}.safetensors"), 64)
        print(f"    {name}: PEFT {found.correct} of {found.n}, Bowline {task['correct']} of {task['n']}")
        if (found.correct, found.n) != (task["correct"], task["n"]):
            raise SystemExit(f"the scores of {name} differ")


def compare(arguments):
    """Prints the chosen row beside another one on the selection split, which it may have to be better than."""
    rows = rows_of(arguments.result)
    chosen = chosen_of(rows)
    others = [row for row in rows if row["name"] == arguments.row]
    if len(others) != 1:
        raise SystemExit(f"{len(others)} rows are named `{arguments.row}`, expected one")
    if arguments.better and chosen["value"] <= others[0]["value"]:
        raise SystemExit(f"the chosen row has {chosen['value']}, no more than `{arguments.row}` with {others[0]['value']}")
    own, best = (f"{100 * row['value']:.1f} %" for row in (others[0], chosen))
    print(f"{arguments.row} has {own} of the adapters' own accuracy on validation, and the chosen {chosen['name']} {best}")


def fill(arguments):
    """Fills the draft of an evaluator: the model is one linear layer, which the other program reads."""
    draft = arguments.program.read_text()
    begin, end = draft.index("def load():"), draft.index("def examples(")
    own = """def load():
    import sys

    sys.path.insert(0, ".")
    import linear

    return linear.read_weight(), None


"""
    draft = draft[:begin] + own + draft[end:]
    begin, end = draft.index("def is_right("), draft.index("def main():")
    own = """def is_right(weight, tokenizer, task, example):
    classes = {"sum": (0, 1), "contrast": (2, 3)}[task]
    score = {of: sum(w * x for w, x in zip(weight[of], example["inputs"])) for of in classes}
    return max(classes, key=score.get) == example["class"]


"""
    arguments.program.write_text(draft[:begin] + own + draft[end:])
    arguments.program.with_name("linear.py").write_text(arguments.functions.read_text())
    sweep = arguments.program.with_name("sweep.yaml")
    text = sweep.read_text()
    if "  files: [evaluate.py]\n" not in text:
        raise SystemExit("the draft of the sweep names no files")
    sweep.write_text(text.replace("  files: [evaluate.py]\n", "  files: [evaluate.py, linear.py]\n"))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for function, names in (
        (load, ("result", "best", "base", "data", "heads")),
        (compare, ("result",)),
        (fill, ("program", "functions")),
    ):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for name in names:
            command.add_argument(f"--{name}", type=pathlib.Path, required=True)
        if function is compare:
            command.add_argument("--row", required=True)
            command.add_argument("--better", action="store_true")
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
