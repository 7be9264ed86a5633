#!/usr/bin/env python3
"""Checks what no other tool does: sizes and names of source files, left-over notes, paths of one machine."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 1000
SOURCE = {".rs", ".go", ".c", ".h", ".py", ".js", ".mjs", ".ts"}
VAGUE_NAMES = {"util", "utils", "common", "helper", "helpers", "misc"}
NOTES = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~/-])/(?:root|home|Users|work)/[\w.-]+")
TEXT = SOURCE | {".wit", ".md", ".toml", ".yaml", ".yml", ".sh", ".json", ""}


def main():
    problems = []
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    for name in sorted(filter(None, listed.decode().split("\0"))):
        path = ROOT / name
        if not path.is_file() or path.suffix not in TEXT or name in ("LICENSE", "Cargo.lock"):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if path.suffix in SOURCE:
            lines = text.count("\n")
            if lines > MAX_LINES:
                problems.append(f"{name}: {lines} lines; split it by {MAX_LINES}")
            if VAGUE_NAMES & {*path.relative_to(ROOT).with_suffix("").parts}:
                problems.append(f"{name}: a name that says nothing; name it after what it does")
        for number, line in enumerate(text.splitlines(), 1):
            if NOTES.search(line):
                problems.append(f"{name}:{number}: a note for later: do it, or write an issue")
            if MACHINE_PATHS.search(line) and path != pathlib.Path(__file__):
                problems.append(f"{name}:{number}: a path of one machine: {MACHINE_PATHS.search(line).group()}")
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                problems.append(f"{name}:{number}: a merge conflict")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
