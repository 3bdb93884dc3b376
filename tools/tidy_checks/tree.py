"""What checks look at: the files of the project, and C++ without its comments and literals."""
import fnmatch
import functools
import os
import pathlib
import re
import subprocess
from typing import NamedTuple

CHECKS = []


class Finding(NamedTuple):
    path: str
    line: int
    message: str
    is_warning: bool = False


class Check(NamedTuple):
    name: str
    function: object
    bad: list
    good: list


def check(*, bad, good):
    """Registers a check. `bad` and `good` are examples: each a small tree, {path: text}."""

    def register(function):
        CHECKS.append(Check(function.__name__.replace("_", "-"), function, bad, good))
        return function

    return register


class Tree:
    """The project's files by path relative to its root: those git knows or would add."""

    def __init__(self, read, paths):
        self._read = functools.cache(read)
        self._paths = sorted(paths)

    @staticmethod
    def of_checkout(root):
        # safe.directory: a tree owned by someone else, as under sudo, is still only listed.
        git = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", root, "ls-files", "-z", "--cached",
             "--others", "--exclude-standard"], capture_output=True, check=False)
        paths = git.stdout.decode().split("\0") if git.returncode == 0 else walk(root)
        return Tree(lambda path: (root / path).read_bytes(),
                    {path for path in paths if path and (root / path).is_file()})

    @staticmethod
    def of_texts(texts):
        return Tree(lambda path: texts[path].encode(), texts)

    def paths(self, *patterns):
        """The text files that match a pattern; `*` crosses folders. All of them without one."""
        return [path for path in self.all_paths(*patterns) if not self.is_binary(path)]

    def all_paths(self, *patterns):
        return [path for path in self._paths
                if not patterns or any(fnmatch.fnmatchcase(path, p) for p in patterns)]

    def holds(self, path):
        return path in self._paths or any(other.startswith(path.rstrip("/") + "/")
                                          for other in self._paths)

    def size(self, path):
        return len(self._read(path))

    def is_binary(self, path):
        return b"\0" in self._read(path)[:8192]

    def text(self, path):
        return self._read(path).decode("utf-8", "replace")

    def lines(self, path):
        return self.text(path).split("\n")

    @functools.cache
    def code(self, path):
        return strip(self.text(path))

    def cpp(self):
        return self.paths("src/*.h", "src/*.cpp", "test/*.h", "test/*.cpp")

    def includes(self, path):
        """(line, form, name) of every #include; the form is `"` or `<`."""
        for number, line in enumerate(self.code(path).split("\n"), 1):
            if match := re.match(r'\s*#\s*include\s*(["<])([^">]+)', line):
                yield number, match[1], match[2]


def walk(root):
    """For a tree without git, such as an unpacked release: everything but the build folder."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in {"build", ".git", "node_modules"}]
        for name in files:
            yield str(pathlib.Path(folder, name).relative_to(root))


TOKEN = re.compile(
    r"""(?P<keep> ^[ \t]*\#[ \t]*include[^\n]* | \b\d[\w'.]* )
      | (?P<comment> //[^\n]* | /\*.*?\*/ )
      | (?P<text> (?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"
                | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+' )""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)


def strip(text):
    """C++ with comments and the insides of literals blanked; every line and column stays."""

    def blank(match):
        if match["keep"]:
            return match[0]
        spaces = re.sub(r"[^\n]", " ", match[0])
        return spaces if match["comment"] else f'"{spaces[2:]}"' if "\n" not in spaces else spaces

    return TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
