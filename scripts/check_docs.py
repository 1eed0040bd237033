"""Runs the snippets of the documentation that are marked `<!-- run: check-docs -->`.

The snippets of one document share their variables, and all documents share a folder. What a document shows of a command's output
is held against the output, as far as it is a row with an interval (`±`) or a choice: times and paths differ between machines.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = "<!-- run: check-docs -->"
# The results that a document reads are made by one before it.
ORDER = [
    "README.md",
    "docs/how-to/widen-a-search.md",
    "docs/how-to/pandas.md",
    "docs/how-to/use-the-winner.md",
    "docs/analysis.md",
    "docs/tutorial.md",
    "docs/results.ipynb",
]
# Names that stand for the reader's own.
NAMES = {"sweeps/NAME/": "sweeps/mini8-knots-ties/"}


class Snippet:
    def __init__(self, language, line, text):
        self.language = language
        self.line = line
        self.text = text


def snippets(text):
    lines = text.splitlines()
    found = []
    for place, line in enumerate(lines):
        if line.strip() == MARK:
            language = lines[place + 1].strip().removeprefix("```")
            end = lines.index("```", place + 2)
            found.append(Snippet(language, place + 3, "\n".join(lines[place + 2:end])))
    return found


def words(line):
    """A row of a table without the widths of its columns."""
    return re.sub(r"[\s|│]+", " ", line).strip()


def run_shell(commands):
    ran = subprocess.run(["bash", "-euc", commands], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if ran.returncode != 0:
        raise SystemExit(f"exit code {ran.returncode} of\n{commands}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def run_console(text):
    """Runs the commands after `$`, and looks for the rows that the document shows."""
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    output = {words(line) for line in run_shell("\n".join(commands)).splitlines()}
    shown = [line for line in text.splitlines() if "±" in line or " chose " in line]
    if not shown:
        raise SystemExit(f"nothing of this output can be held against that of the command:\n{text}")
    for line in shown:
        if words(line) not in output:
            raise SystemExit(f"the output has no such row:\n{line}\nit has\n" + "\n".join(sorted(output)))
    return len(shown)


def run_document(name):
    text = (ROOT / name).read_text()
    names = {}
    if name.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        for place, cell in enumerate(cells):
            exec(compile("".join(cell["source"]), f"{name}, cell {place}", "exec"), names)
        return f"{len(cells)} cells"
    found = snippets(text)
    rows = 0
    for snippet in found:
        text = snippet.text
        for name_in_text, own in NAMES.items():
            text = text.replace(name_in_text, own)
        print(f"  {name}, line {snippet.line}", flush=True)
        if snippet.language == "python":
            exec(compile("\n" * (snippet.line - 1) + text, str(ROOT / name), "exec"), names)
        elif snippet.language == "console":
            rows += run_console(text)
        else:
            run_shell(text)
    return f"{len(found)} snippets" + (f", {rows} rows as shown" if rows else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("documents", nargs="*")
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    marked = {str(path.relative_to(ROOT)) for path in documents if f"\n{MARK}\n" in path.read_text()}
    unordered = marked.difference(ORDER)
    if unordered:
        raise SystemExit(f"`ORDER` in scripts/check_docs.py lacks {', '.join(sorted(unordered))}")
    unknown = set(arguments.documents).difference(ORDER)
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: no document with snippets to run; there are {', '.join(ORDER)}")
    # PEFT goes on without the weights that it does not find.
    warnings.filterwarnings("error", message=".*missing adapter keys.*")
    begun = time.monotonic()
    # These two make the results that the others read.
    makers = ("README.md", "docs/how-to/pandas.md")
    chosen = [name for name in ORDER if not arguments.documents or name in (*arguments.documents, *makers)]
    for name in chosen:
        before = time.monotonic()
        print(f"{name}: {run_document(name)} in {time.monotonic() - before:.0f} s", flush=True)
    print(f"{len(chosen)} documents in {time.monotonic() - begun:.0f} s: every snippet runs")


if __name__ == "__main__":
    main()
