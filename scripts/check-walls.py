#!/usr/bin/env python3
"""Checks the walls between crates, the direction of dependencies and the licences, over `cargo metadata`."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The one crate that may use a heavy dependency.
WALLS = {
    "rocksdb": "millstream-state-rocksdb",
    "wasmtime": "millstream-wasm",
    "wasmtime-wasi": "millstream-wasm",
    "rdkafka": "millstream-log-kafka",
    "object_store": "millstream-checkpoint",
    "axum": "millstream-api",
}

# What each crate may depend on among ours. The binary alone depends on all of the host.
LAYERS = {
    "types": [],
    "protocol": [],
    "state": ["types"],
    "state-rocksdb": ["types", "state"],
    "operator": ["types", "state"],
    "script": ["types"],
    "wasm": ["types", "state", "operator", "script"],
    "pipeline": ["types", "state", "operator"],
    "connector": ["types", "operator", "pipeline"],
    "log": ["types", "protocol"],
    "log-embedded": ["types", "log", "state-rocksdb"],
    "log-kafka": ["types", "log"],
    "checkpoint": ["types", "state"],
    "runtime": ["types", "protocol", "state", "operator", "pipeline", "connector", "log"],
    "testkit": ["types", "state", "operator", "pipeline", "log", "runtime"],
    "conformance": ["types", "state", "operator", "pipeline", "runtime", "testkit"],
    "api": ["types", "state", "operator", "pipeline", "log", "runtime", "checkpoint", "script"],
    "toolchain": ["types", "script"],
    "guest-macros": [],
    "guest": ["guest-macros"],
}
# They stand above everything and are shipped to nobody.
OUTSIDE = {"cli", "tests", "chaos", "chaos-host", "simulation", "benches", "fraud-demo"}

LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip


def allowed(expression):
    """Whether an SPDX expression can be satisfied by LICENCES. AND binds tighter than OR, as in SPDX."""
    tokens = re.findall(r"[()]|\bAND\b|\bOR\b|/|[^\s()/]+(?: WITH [^\s()/]+)?", expression)

    def any_of():
        value = all_of()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            value = all_of() or value
        return value

    def all_of():
        value = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = single() and value
        return value

    def single():
        token = tokens.pop(0)
        if token == "(":
            value = any_of()
            tokens.pop(0)
            return value
        return token in LICENCES

    return any_of()


def main():
    cargo = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, stdout=subprocess.PIPE
    )
    if cargo.returncode != 0:
        return cargo.returncode
    metadata = json.loads(cargo.stdout)
    members = set(metadata["workspace_members"])
    problems = []

    for package in metadata["packages"]:
        name = package["name"]
        if package["id"] not in members:
            if not package["license"] or not allowed(package["license"]):
                problems.append(f"{name} {package['version']}: licence {package['license']} is not on the list")
            continue

        short = name.removeprefix("millstream-")
        if short not in LAYERS and short not in OUTSIDE:
            problems.append(f"{name}: has no place in the layers; add it to LAYERS in scripts/check-walls.py")
            continue
        manifest = pathlib.Path(package["manifest_path"]).read_text()
        # A crate that needs `unsafe` in one module repeats the lints with that one change.
        if not re.search(r"^\[lints\]\s*\nworkspace = true|^unwrap_used = \"deny\"", manifest, re.MULTILINE):
            problems.append(f"{name}: does not take the workspace's lints")
        for dependency in package["dependencies"]:
            to = dependency["name"]
            if WALLS.get(to, name) != name:
                problems.append(f"{name}: depends on {to}, which only {WALLS[to]} may use")
            # Tests may reach sideways, for instance to an in-memory log; never to a heavy dependency.
            if to.startswith("millstream-") and short in LAYERS and dependency["kind"] != "dev":
                if to.removeprefix("millstream-") not in LAYERS[short]:
                    problems.append(f"{name}: may not depend on {to} (see docs/architecture.md, Walls)")

    for problem in sorted(set(problems)):
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
