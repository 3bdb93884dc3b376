"""How any text file looks: lines, lengths, excuses, paths."""
import re

from .tree import Finding, check

CPP = ("src/*.h", "src/*.cpp", "test/*.h", "test/*.cpp")
DATA = ("test/fuzz/corpus/", "test/data/", "web/node_modules/")
SCRIPTS = ("*.py", "*.sh", "*.cmake", "*CMakeLists.txt", "dev", ".ci/*", "tools/*")
LONGEST_LINE = 100          # columns of C++
LONGEST_SCRIPT_LINE = 120
LONG_FILE = 600             # lines; a warning
LONGEST_FILE = 800          # lines
LONG_FUNCTION = 60          # lines; a warning
LONGEST_FUNCTION = 80       # lines


def written_by_hand(tree):
    return [path for path in tree.paths() if not path.startswith(DATA)]


def said(tree):
    """(path, number, line) of all that people wrote, without the examples of these checks."""
    for path in written_by_hand(tree):
        if not path.startswith("tools/tidy_checks/"):
            yield from ((path, number, line) for number, line in enumerate(tree.lines(path), 1))


@check(
    bad=[{"a.txt": "x \n"}, {"a.h": "\tint x;\n"}, {"a.txt": "x"}, {"a.txt": "x\r\n"}, {"a.txt": "x\n\n"}],
    good=[{"a.txt": "x\n"}, {"empty.py": ""}, {"Makefile": "a:\n\tb\n"}, {"test/fuzz/corpus/a/1": "x \t"}])
def white_space(tree):
    """No trailing blanks, no tabs (but in a Makefile), line feeds only, and exactly one at the end."""
    for path in written_by_hand(tree):
        text = tree.text(path)
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield Finding(path, number, "remove the blanks at the end of the line")
            elif "\t" in line and not path.endswith("Makefile"):
                yield Finding(path, number, "write spaces for the tab")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield Finding(path, text.count("\n") + 1, "end the file with exactly one line feed")


@check(
    bad=[{"a.txt": "<" * 7 + " HEAD\n"}, {"a.md": ">" * 7 + " topic\n"}],
    good=[{"a.md": "> > quoted\n"}, {"a.cpp": "std::cout <<  x;\n"}])
def merge_markers(tree):
    """A merge was finished before it was committed."""
    for path, number, line in said(tree):
        if re.match(r"(<{7}|>{7}) ", line):
            yield Finding(path, number, "decide between the two sides of this merge")


@check(
    bad=[{"src/a/a.cpp": "x" * 101 + "\n"}, {"src/a/a.cpp": "x;\n" * 801}, {"src/a/a.cpp": "x;\n" * 601},
         {"dev": "x" * 121 + "\n"}],
    good=[{"src/a/a.cpp": "é" * 100 + "\n"}, {"src/a/a.cpp": "x;\n" * 600}, {"a.md": "x" * 200 + "\n"},
          {"src/a/a.cpp": 'f(R"(\n' + "x" * 200 + '\n)");\n'}])
def sizes(tree):
    """C++ lines have at most 100 columns, inside raw strings as many as they need; those of scripts and
    CMake 120. Files of C++ have at most 800 lines; from 600 on a file is warned of."""
    for path in tree.paths(*SCRIPTS):
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > LONGEST_SCRIPT_LINE:
                yield Finding(path, number, f"{len(line)} columns: break the line")
    for path in tree.paths(*CPP):
        lines = tree.lines(path)
        for number, (line, code) in enumerate(zip(lines, tree.code(path).split("\n")), 1):
            if len(line) > LONGEST_LINE and (code.strip() or "//" in line):
                yield Finding(path, number, f"{len(line)} columns: break the line")
        count = len(lines) - 1
        if count > LONG_FILE:
            yield Finding(path, count, f"{count} lines: split it by what it is about",
                          is_warning=count <= LONGEST_FILE)


@check(
    bad=[{"src/a/a.cpp": "int f() {\n" + "  x;\n" * 80 + "}\n"},
         {"src/a/a.cpp": "void A::g(int x,\n          int y) const {\n" + "  x;\n" * 61 + "}\n"}],
    good=[{"src/a/a.cpp": "int f() {\n" + "  x;\n" * 50 + "}\n"},
          {"src/a/a.cpp": "namespace a {\n" + "int f() {\n}\n" * 100 + "}\n"},
          {"src/a/a_test.cpp": 'TEST_CASE("x") {\n' + "  x;\n" * 90 + "}\n"}])
def function_length(tree):
    """A function fits on a screen: over 60 lines it is warned of, over 80 refused. Found by layout: from
    the line whose bracket opens the body to the bracket in the same column."""
    for path in tree.paths("src/*.h", "src/*.cpp"):
        if path.endswith(("_test.cpp", "_bench.cpp")):
            continue
        lines = tree.code(path).split("\n")
        for number, line in enumerate(lines, 1):
            if not re.search(r"\).*\{$", line) or re.match(r"\s*(?:[#}]|(?:if|for|while|switch|catch)\b)", line):
                continue
            length = body_length(lines, number - 1)
            if length > LONG_FUNCTION:
                yield Finding(path, number, f"{length} lines: give its steps names of their own",
                              is_warning=length <= LONGEST_FUNCTION)


def body_length(lines, opened):
    """Lines from lines[opened], which ends in `{`, to the bracket that closes it."""
    depth = 0
    for count, line in enumerate(lines[opened:], 1):
        depth += line.count("{") - line.count("}")
        if depth <= 0:
            return count
    return 0


@check(
    bad=[{"src/a/a.cpp": "// TODO: later\n"}, {"dev": "# TODO x\n"}, {"a.cpp": "// FIXME\n"}],
    good=[{"src/a/a.cpp": "// TODO(kernel 6.9 has no probe): x\n"}, {"a.md": "mastodon\n"}])
def todo_reasons(tree):
    """What is left to do says in brackets what it waits for."""
    for path, number, line in said(tree):
        if re.search(r"\bTODO\b(?!\(\w)|\b(?:FIXME|XXX)\b", line):
            yield Finding(path, number, "do it, or say what it waits for, in brackets")


SILENCER = re.compile(
    r"NOLINT(?:NEXTLINE|BEGIN)?\b(?:\([^)]*\))?|clang-format off|shellcheck disable=[\w,]+|"
    r"diagnostic ignored \S+|noqa(?:: ?[\w,]+)?|eslint-disable\S*(?: [\w@/-]+)?")


@check(
    bad=[{"src/a/a.cpp": "int x;  // NOLINT\n"}, {"src/a/a.cpp": "// clang-format off\n"},
         {"dev": "# shellcheck disable=SC2034\n"}],
    good=[{"src/a/a.cpp": "int x;  // NOLINT(check): the kernel writes it\n"},
          {"src/a/a.cpp": "// The table reads better in columns.\n// clang-format off\n"},
          {"dev": "# The caller reads it.\n# shellcheck disable=SC2034\n"}])
def silenced_tools(tree):
    """Whoever silences a tool says why, behind the marker or in a comment above it."""
    for path, number, line in said(tree):
        if not (match := SILENCER.search(line)):
            continue
        above = tree.lines(path)[number - 2] if number > 1 else ""
        has_reason = re.search(r"\w{2}", line[match.end():])
        if not has_reason and not re.match(r"\s*(?://|#(?!!)|/\*)\s*\w", above):
            yield Finding(path, number, "say why, behind it or in a comment above")


@check(
    bad=[{"a.md": "see /home/ann/notes\n"}, {"a.cmake": 'set(x "/root/x")\n'}, {"a.sh": "cd /home/joe/x\n"}],
    good=[{"a.md": "see src/home/x and https://x.org/home/x\n"},
          {"a.md": "mount /home or /root here\n"}])
def machine_paths(tree):
    """No path of the machine something was written on: it means nothing on another one."""
    for path, number, line in said(tree):
        if match := re.search(r"(?<![\w.~/-])/(?:home|root)/[\w.]+", line):
            yield Finding(path, number, f"{match[0]}: name it relative to the project, or take it as"
                                        " a parameter")
