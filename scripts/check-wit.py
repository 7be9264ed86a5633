#!/usr/bin/env python3
"""Fails when a WIT package under a released version has changed, or when a copy of it differs.

A directory of wit/ is a version of a package. Its released.txt has one line for each released version: VERSION
sha256:DIGEST, where the digest is over the .wit files in order of their names, each as its name, a line feed and its
bytes.
"""

import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = re.compile(r"^package millstream:([a-z-]+)@(\S+);", re.MULTILINE)


def digest(files):
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + b"\n" + file.read_bytes())
    return "sha256:" + found.hexdigest()


def packages(files):
    """The (name, version) pairs that files say they are of."""
    return {match for file in files for match in PACKAGE.findall(file.read_text())}


def released_versions(name):
    """The released versions of a package, with their digests."""
    listed = ROOT / "wit" / ("" if name == "operator" else name) / "released.txt"
    lines = listed.read_text().splitlines() if listed.exists() else []
    return dict(line.split() for line in lines if line.strip() and not line.startswith("#"))


def main():
    problems = []
    present = {}
    for directory in [ROOT / "wit", *sorted(path for path in (ROOT / "wit").rglob("*") if path.is_dir())]:
        files = sorted(directory.glob("*.wit"))
        if not files:
            continue
        where = directory.relative_to(ROOT)
        named = packages(files)
        if len(named) != 1:
            problems.append(f"{where}: its files must name one version of one package, and name {sorted(named)}")
            continue
        name, version = named.pop()
        present[name, version] = {file.name: file.read_bytes() for file in files}
        found, stored = digest(files), released_versions(name).get(version)
        if stored is None:
            print(f"{where}: millstream:{name}@{version} is not released; its digest is {found}")
        elif stored != found:
            problems.append(
                f"{where}: millstream:{name}@{version} is released and may not change\n"
                f"  its released.txt has {stored}\n"
                f"  the files have       {found}\n"
                f"  Take the change back, or give the package a new version in every file of {where}. A new version is\n"
                f"  released by adding the line `VERSION {found}` (with its own digest, which this check prints\n"
                f"  for every version that is not released) to its released.txt in the commit that releases it."
            )

    for name in {name for name, _ in present} | {"operator"}:
        for version in released_versions(name):
            if (name, version) not in present:
                problems.append(f"wit: millstream:{name}@{version} is released, and its files are gone")

    # SDKs carry copies, since a crate may not reach outside its directory.
    for directory in sorted({file.parent for part in ("guest-sdk", "examples") for file in (ROOT / part).rglob("*.wit")}):
        files = sorted(directory.glob("*.wit"))
        copy = {file.name: file.read_bytes() for file in files}
        if copy not in present.values():
            problems.append(f"{directory.relative_to(ROOT)}: differs from every version in wit; copy the files of wit again")

    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
