"""Loading programs from their source, and the programs of the documentation."""

import json
import re
import sys
import types
import unittest
from pathlib import Path
from typing import Any, Dict

import millstream as ms
from millstream import _load
from millstream.testing import Harness

ROOT = Path(__file__).parents[3]
APP = "import millstream as ms\napp = ms.Operator()\n@app.process\ndef process(text: str): return {}\n"


def load(files: Dict[str, str], main: str = "main.py") -> Any:
    """Loads a program and leaves no trace of it."""
    modules, finders = dict(sys.modules), list(sys.meta_path)
    try:
        return _load.load({path: text.encode() for path, text in files.items()}, main)
    finally:
        sys.meta_path[:] = finders
        for name in set(sys.modules) - set(modules):
            del sys.modules[name]


class Loading(unittest.TestCase):
    def test_files_import_each_other(self) -> None:
        app = load({
            "main.py": "from own_rules.big import LIMIT\nimport operator\n" + APP.format("operator.add(LIMIT, len(text))"),
            "own_rules/__init__.py": "", "own_rules/big.py": "from own_base import ONE\nLIMIT = ONE + 1\n", "own_base.py": "ONE = 1\n",
        })
        self.assertEqual(Harness(app).send("abc").only().text, "5")

    def test_a_file_may_have_the_name_of_a_module(self) -> None:
        app = load({"operator.py": "import operator\n" + APP.format("operator.add(1, 2)")}, "operator.py")
        self.assertEqual(Harness(app).send("x").only().text, "3")

    def test_what_is_wrong_is_told_with_file_and_line(self) -> None:
        cases = [
            ({"main.py": "import numpy\n"}, r"^there is no module `numpy` to import: .*pyproject.toml.*\n  File \"main.py\", line 1"),
            ({"main.py": "import own\n", "own.py": "\nimport nothing_there\n"}, r"`nothing_there`(.|\n)*File \"own.py\", line 2"),
            ({"main.py": "import ssl_\n1/0\n"}, r"no module `ssl_`"),
            ({"main.py": "x = (\n"}, r"SyntaxError(.|\n)*main.py|main.py(.|\n)*SyntaxError"),
            ({"main.py": "\n1/0\n"}, r"ZeroDivisionError: division by zero\n  File \"main.py\", line 2"),
            ({"main.py": "x = 1\n"}, r"^`main.py` makes no operator: `app = ms.Operator\(\)`"),
            ({"main.py": APP.format(1) + "other = ms.Operator()\n"}, r"makes 2 of them \(Operator, Operator\)"),
            ({"main.py": "import millstream as ms\napp = ms.Operator()\n"}, r"under `@process`"),
            ({"main.py": "import millstream as ms\napp = ms.Operator(outputs=['A'])\n"}, r"output 'A'(.|\n)*main.py\", line 2"),
            ({"main.py": "exit()\n"}, r"ends the interpreter|NameError"),
            ({"other.py": ""}, r"^there is no file `main.py`: there are other.py"),
        ]
        for files, message in cases:
            with self.subTest(message), self.assertRaisesRegex(ms.ProgramError, message):
                load(files)

    def test_a_failure_shows_the_lines_of_the_source(self) -> None:
        outcome = Harness(load({"main.py": APP.format("int(text)")})).send("x")
        self.assertIn('  File "main.py", line 4, in process\n    def process(text: str): return int(text)', outcome.failed[0].reason)


class Documentation(unittest.TestCase):
    def test_every_program_of_the_guide_loads(self) -> None:
        for page in (ROOT / "docs/languages/python.md", ROOT / "guest-sdk/python/README.md"):
            blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
            self.assertTrue(blocks)
            for block in blocks:
                with self.subTest(block[:60]):
                    if "ms.Operator(" in block or "ms.Aggregator(" in block:
                        load({"main.py": block})

    def test_the_test_of_the_guide_passes(self) -> None:
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/languages/python.md").read_text(), re.S)
        main = types.ModuleType("main")
        before = sys.modules.get("main")
        sys.modules["main"] = main
        try:
            exec(blocks[0], main.__dict__)
            test: Dict[str, Any] = {"__name__": "guide"}
            exec(blocks[1], test)
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(test["Visits"]).run(result)
            self.assertEqual((result.testsRun, result.errors, result.failures), (2, [], []))
        finally:
            del sys.modules["main"]
            if before is not None:
                sys.modules["main"] = before

    def test_the_spread_of_the_guide_is_right(self) -> None:
        from millstream.testing import AggregatorHarness, Input

        blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/languages/python.md").read_text(), re.S)
        spread = AggregatorHarness(load({"main.py": next(block for block in blocks if "Extremes" in block)}))
        spread.add(*[Input({"amount": amount}, "ada") for amount in (5, 0.5, 7.5)])
        self.assertEqual(json.loads(spread.result("ada").text or ""), {"user": "ada", "window_end": 1000, "spread": 7.0})


if __name__ == "__main__":
    unittest.main()
