"""What a reader of the documents relies on."""
import posixpath
import re

from .tree import Finding, check


def prose(tree, path):
    """(line number, line) without fenced blocks and `code`."""
    is_fenced = False
    for number, line in enumerate(tree.lines(path), 1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif not is_fenced:
            yield number, re.sub(r"`[^`]*`", "", line)


@check(
    bad=[{"README.md": "[x](docs/gone.md)\n"}, {"docs/a.md": "[x](../docs)\n[y](b.md#part)\n"},
         {"README.md": "[x]: docs/gone.md\n"}],
    good=[{"README.md": "[x](docs/a.md#b) [y](https://x.org/y) [z](docs)\n", "docs/a.md": "[up](../README.md)\n"},
          {"README.md": "```\n[x](gone.md)\n```\n[y](#here) `[z](gone)`\n"}])
def links(tree):
    """Every relative link in a document leads to a file of the tree."""
    for path in tree.paths("*.md"):
        for number, line in prose(tree, path):
            for match in re.finditer(r"\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)", line):
                target = (match[1] or match[2]).split("#")[0]
                if not target or re.match(r"\w+:", target):
                    continue
                where = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
                if not tree.holds(where):
                    yield Finding(path, number, f"{target} does not exist: correct the link")


@check(
    bad=[{"docs/a.md": "Relays will be faster.\n"}, {"README.md": "TODO: write\n"}],
    good=[{"docs/a.md": "Relays are fast; `will be` is code.\n"}])
def present_tense(tree):
    """Documents describe what is there, not what is planned."""
    for path in tree.paths("*.md"):
        for number, line in prose(tree, path):
            if match := re.search(r"\bwill be\b|\bTODO\b|\bcoming soon\b", line, re.IGNORECASE):
                yield Finding(path, number, f'"{match[0]}": say what is, or nothing')


DECISIONS = "docs/decisions/"


@check(
    bad=[{DECISIONS + "0001-a.md": "# x\n", DECISIONS + "0001-b.md": "# x\n"}, {DECISIONS + "notes.md": "# x\n"},
         {DECISIONS + "1-a.md": "# x\n"}, {"src/a/a.h": "// see docs/decisions/0009-gone.md\n"}],
    good=[{DECISIONS + "0001-a.md": "# x\n", DECISIONS + "0002-b.md": "# x\n", DECISIONS + "README.md": "x\n"}])
def decision_records(tree):
    """docs/decisions/ holds NNNN-title.md, each number once, and every record that the tree names."""
    first = {}
    for path in tree.paths(DECISIONS + "*"):
        name = path.removeprefix(DECISIONS)
        match = re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", name)
        if not match and name != "README.md":
            yield Finding(path, 1, "name it NNNN-title.md, small letters and dashes")
        elif match and first.setdefault(match[1], path) != path:
            yield Finding(path, 1, f"{first[match[1]]} has this number: take the next free one")
    for path in tree.paths():
        if path.startswith("tools/tidy_checks/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            for match in re.finditer(r"docs/decisions/[\w-]+\.md", line):
                if not tree.holds(match[0]):
                    yield Finding(path, number, f"{match[0]} does not exist")
