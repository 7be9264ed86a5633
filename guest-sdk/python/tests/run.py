"""Runs all tests and says how many passed, as the other SDKs' tests do."""

import sys
import unittest
from pathlib import Path

here = Path(__file__).parent
suite = unittest.defaultTestLoader.discover(str(here), pattern="test_*.py")
# The example has its tests beside it.
sys.path.insert(0, str(here.parents[2] / "examples/polyglot/velocity/python"))
suite.addTests(unittest.defaultTestLoader.loadTestsFromName("test_velocity"))
result = unittest.TextTestRunner(verbosity=1).run(suite)
failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
passed = result.testsRun - failed - len(result.skipped)
word = "ok" if failed == 0 else "FAILED"
print(f"test result: {word}. {passed} passed; {failed} failed; {len(result.skipped)} ignored")
sys.exit(failed > 0)
