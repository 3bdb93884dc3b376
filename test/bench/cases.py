"""Test cases in Python: sentences above functions, counted as ./dev test adds them up."""
import traceback


class Cases:
    """`case = Cases()`, `@case("a sentence")` above each function, and `sys.exit(case.run())`."""

    def __init__(self):
        self._cases = []

    def __call__(self, sentence):
        def register(function):
            self._cases.append((sentence, function))
            return function

        return register

    def run(self, *arguments):
        failed = 0
        for sentence, function in self._cases:
            try:
                function(*arguments)
            except Exception:  # of any kind: it is the finding
                failed += 1
                print(f"FAILED {sentence}\n{traceback.format_exc()}", flush=True)
        total = len(self._cases)
        print(f"[doctest] test cases: {total} | {total - failed} passed | {failed} failed | 0 skipped")
        return 1 if failed else 0
