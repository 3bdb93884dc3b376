"""Where files lie and what they may include."""
import re

from .tree import Finding, check

DEPS = "tools/deps.txt"
DEPS_LINE = re.compile(r"L(\d) (\w+):((?: \w+)*)$")
MODULES = "src/CMakeLists.txt"


def read_deps(tree):
    """{module: (layer, [modules it may include], line)} and the findings on the table itself."""
    modules, findings = {}, []
    lines = tree.lines(DEPS) if tree.holds(DEPS) else []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = DEPS_LINE.match(line)
        if not match:
            findings.append(Finding(DEPS, number, "write `L1 name: module module`"))
        elif match[2] in modules:
            findings.append(Finding(DEPS, number, f"{match[2]} has a line already: keep one"))
        else:
            modules[match[2]] = (int(match[1]), match[3].split(), number)
    return modules, findings


def module_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "src" else None


def is_test(path):
    return path.startswith("test/") or path.endswith(("_test.cpp", "_bench.cpp"))


def cycle_from(start, modules):
    """The modules on a way from `start` back to itself, or None."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop()
        for following in modules.get(way[-1], (0, [], 0))[1]:
            if following == start:
                return way + [start]
            if following not in seen:
                seen.add(following)
                ways.append(way + [following])
    return None


@check(
    bad=[{DEPS: "L0 base: wg\nL1 wg:\n"},
         {DEPS: "L1 a: b\nL1 b: a\n"},
         {DEPS: "L0 base\n"},
         {DEPS: "L0 base:\nL0 base:\n"},
         {DEPS: "L1 wg: bose\n"},
         {DEPS: "L0 base:\n", "src/wg/a.h": ""},
         {DEPS: "L0 base:\n"}],
    good=[{DEPS: "# why\n\nL0 base:\nL1 a: base\nL1 b: base a\n",
           "src/base/a.h": "", "src/a/a.h": "", "src/b/b.h": ""}])
def dependency_table(tree):
    """tools/deps.txt has one line for each folder of src/. A line names modules of a lower layer, or
    of its own as long as that makes no cycle."""
    modules, findings = read_deps(tree)
    yield from findings
    folders = {module_of(path) for path in tree.paths("src/*")} - {None}
    for folder in sorted(folders - set(modules)):
        yield Finding(DEPS, 1, f"src/{folder} has no line: add its layer and what it may include")
    for name, (layer, may_include, line) in modules.items():
        if name not in folders:
            yield Finding(DEPS, line, f"there is no folder src/{name}: remove the line")
        for other in may_include:
            if other not in modules:
                yield Finding(DEPS, line, f"{other} has no line of its own")
            elif modules[other][0] > layer:
                yield Finding(DEPS, line, f"{name} points up to {other}: turn it around, or let"
                                          f" {name} declare an interface that {other} implements")
        if way := cycle_from(name, modules):
            yield Finding(DEPS, line, f"break the cycle {' -> '.join(way)}")


TWO_LAYERS = {DEPS: "L0 base:\nL1 a: base\nL1 b: base\n", "src/base/x.h": "", "src/b/b.h": ""}


@check(
    bad=[TWO_LAYERS | {"src/a/a.h": '#include "b/b.h"\n'},
         TWO_LAYERS | {"src/base/y.h": '#include "b/b.h"\n'},
         TWO_LAYERS | {"src/base/x_test.cpp": '#include "b/b.h"\n'}],
    good=[TWO_LAYERS | {"src/a/a.h": '#include "base/x.h"\n#include "a/c.h"\n#include <vector>\n'},
          TWO_LAYERS | {"src/a/a_test.cpp": '#include "b/b.h"\n'},
          TWO_LAYERS | {"src/a/a.h": '// #include "b/b.h"\n'}])
def include_direction(tree):
    """A module includes itself and what its line in tools/deps.txt names. Its tests and benchmarks
    may use others too, but none of a higher layer."""
    modules, _ = read_deps(tree)
    for path in tree.paths("src/*.h", "src/*.cpp"):
        module = module_of(path)
        layer, may_include, _ = modules.get(module, (0, [], 0))
        for line, form, name in tree.includes(path):
            target = name.split("/")[0]
            if form != '"' or target == module or target not in modules or module not in modules:
                continue
            if is_test(path) and modules[target][0] <= layer:
                continue
            if target not in may_include:
                yield Finding(path, line, f"{module} may not include {target} ({DEPS}): move the"
                                          " code, or declare the few calls you need here")


@check(
    bad=[{"src/a/a.cpp": '#include "a.h"\n', "src/a/a.h": ""},
         {"src/a/a.cpp": '#include "../b/b.h"\n', "src/b/b.h": ""},
         {"src/a/a.cpp": '#include "support/s.h"\n', "test/support/s.h": ""},
         {"src/a/a.cpp": "#include <a/a.h>\n", "src/a/a.h": ""}],
    good=[{"src/a/a.cpp": '#include "a/a.h"\n#include <vector>\n', "src/a/a.h": ""},
          {"src/a/a_test.cpp": '#include "support/s.h"\n', "test/support/s.h": ""}])
def include_style(tree):
    """Headers of the project are included as "module/x.h", by tests also "support/x.h" from test/, and
    all others in angle brackets."""
    for path in tree.cpp():
        for line, form, name in tree.includes(path):
            homes = [f"src/{name}"] + ([f"test/{name}"] if is_test(path) else [])
            is_ours = any(tree.holds(home) for home in homes)
            if form == '"' and (not is_ours or ".." in name):
                yield Finding(path, line, 'name the header from src/: "module/x.h"')
            elif form == "<" and is_ours:
                yield Finding(path, line, f'write "{name}": the header is ours')


@check(
    bad=[{"src/a/a.h": "int x;\n"}, {"src/a/a.h": "#ifndef A\n#define A\n#endif\n"}],
    good=[{"src/a/a.h": "// What it is.\n#pragma once\nint x;\n"}])
def pragma_once(tree):
    """The first line of code in a header is #pragma once."""
    for path in tree.paths("src/*.h", "test/*.h"):
        if not tree.code(path).lstrip().startswith("#pragma once"):
            yield Finding(path, 1, "start with #pragma once, below the comment on the file")


@check(
    bad=[{MODULES: "sinew_module(a)", "src/a/unused.h": "", "src/a/unused.cpp": '#include "a/unused.h"\n'}],
    good=[{MODULES: "sinew_module(a)", "src/a/a.h": "", "src/a/b.cpp": '#include "a/a.h"\n'},
          {MODULES: "sinew_module(a)", "src/a/a.h": "", "src/a/a_test.cpp": '#include "a/a.h"\n'}])
def dead_headers(tree):
    """Every header is included by a file other than its own .cpp."""
    users = {}
    for path in tree.cpp():
        for _, _, name in tree.includes(path):
            users.setdefault(name, set()).add(path)
    for path in tree.paths("src/*.h", "test/*.h"):
        names = {path.removeprefix("src/"), path.removeprefix("test/")}
        if not set().union(*(users.get(name, ()) for name in names)) - {path[:-1] + "cpp"}:
            yield Finding(path, 1, "nothing includes this header: use it, test it or remove it")


@check(
    bad=[{MODULES: "", "src/a/a.cpp": ""},
         {MODULES: "sinew_module(a)", "src/a/deep/a.cpp": ""},
         {MODULES: "sinew_module(a)", "src/a.cpp": ""},
         {"test/CMakeLists.txt": "", "test/other.cpp": ""},
         {"test/fuzz/CMakeLists.txt": "", "test/fuzz/dns_fuzz.cpp": ""}],
    good=[{MODULES: "sinew_module(a DEPS b)\nsinew_module(b)", "src/a/a.cpp": "", "src/b/b.cpp": ""},
          {"test/CMakeLists.txt": "sinew_test(x SOURCES sim/world.cpp)", "test/sim/world.cpp": ""},
          {"test/fuzz/CMakeLists.txt": "sinew_fuzz_target(dns LIBS a)", "test/fuzz/dns_fuzz.cpp": ""}])
def dead_sources(tree):
    """Every .cpp belongs to a target. src/ is one level deep, and each of its folders has a
    sinew_module() line; a .cpp under test/ is named in some CMake file, or globbed in its folder."""
    registered = set(re.findall(r"sinew_module\((\w+)", tree.text(MODULES))) if tree.holds(MODULES) else set()
    for path in tree.paths("src/*.cpp", "src/*.h"):
        if not (module := module_of(path)):
            yield Finding(path, 1, "files lie in src/<module>/, one level deep")
        elif module not in registered:
            yield Finding(path, 1, f"no target builds this: add sinew_module({module} ...) to {MODULES}")
    cmake = "\n".join(tree.text(path) for path in tree.paths("*CMakeLists.txt", "tools/cmake/*.cmake"))
    for path in tree.paths("test/*.cpp"):
        folder, _, name = path.rpartition("/")
        stem = name.removesuffix(".cpp").removesuffix("_fuzz")
        own = f"{folder}/CMakeLists.txt"
        if re.search(rf"\b{re.escape(stem)}\b", cmake) or (tree.holds(own) and "file(GLOB" in tree.text(own)):
            continue
        yield Finding(path, 1, f"no target builds this: name it in {own}")


@check(
    bad=[{DEPS: "L0 b:\nL0 c:\nL1 a: b\n", MODULES: "sinew_module(a DEPS b c LIBS z)"}],
    good=[{DEPS: "L0 b:\nL0 c:\nL1 a: b\n", MODULES: "sinew_module(b)\nsinew_module(a DEPS b LIBS c::c)"}])
def linked_modules(tree):
    """The DEPS of a sinew_module() line are modules that tools/deps.txt lets it include."""
    modules, _ = read_deps(tree)
    text = tree.text(MODULES) if tree.holds(MODULES) else ""
    for match in re.finditer(r"sinew_module\((\w+)([^)]*)\)", text):
        may_include = modules.get(match[1], (0, [], 0))[1]
        linked = re.search(r"\bDEPS\b((?:\s+[a-z]\w*)*)", match[2])
        for other in linked[1].split() if linked else []:
            if other not in may_include:
                line = text.count("\n", 0, match.start()) + 1
                yield Finding(MODULES, line, f"{DEPS} does not let {match[1]} use {other}")


KERNEL_HEADERS = re.compile(
    r"unistd\.h|fcntl\.h|poll\.h|sys/.*|netinet/.*|arpa/.*|net/.*|linux/.*|pthread\.h|signal\.h|csignal|"
    r"netdb\.h|ifaddrs\.h|thread|mutex|shared_mutex|condition_variable|future|semaphore|"
    r"fstream|filesystem|boost/asio.*|boost/beast/(?:core/.*stream|websocket).*")


@check(
    bad=[{DEPS: "L1 a:\n", "src/a/a.h": "#include <unistd.h>\n"},
         {DEPS: "L0 a:\n", "src/a/a.cpp": "#include <mutex>\n"},
         {DEPS: "L1 a:\n", "src/a/a_test.cpp": "#include <thread>\n"},
         {DEPS: "L1 a:\n", "src/a/a.cpp": "#include <boost/asio/awaitable.hpp>\n"}],
    good=[{DEPS: "L2 a:\n", "src/a/a.cpp": "#include <unistd.h>\n"},
          {DEPS: "L1 a:\n", "src/a/a.cpp": "#include <vector>\n"}])
def pure_layers(tree):
    """L0 and L1 own no file descriptor, thread or socket, so they and their tests include no header
    that offers one. (A test may read a file of vectors, or ask inet_pton for a second opinion.)"""
    modules, _ = read_deps(tree)
    for path in tree.paths("src/*.h", "src/*.cpp"):
        if modules.get(module_of(path), (9, [], 0))[0] > 1:
            continue
        for line, form, name in tree.includes(path):
            is_oracle = is_test(path) and name in {"fstream", "filesystem", "arpa/inet.h"}
            if form == "<" and KERNEL_HEADERS.fullmatch(name) and not is_oracle:
                yield Finding(path, line, f"<{name}> does not belong in a pure layer: take time,"
                                          " bytes and randomness as parameters, or move this to L2")


@check(
    bad=[{"assets/logo.bin": "\0" * (1 << 20) + "\0"}],
    good=[{"assets/logo.bin": "\0" * 1000}, {"src/a/a.h": "x" * (1 << 21)}])
def large_binaries(tree):
    """No binary file over 1 MiB: the history keeps every version for ever."""
    for path in tree.all_paths():
        if tree.is_binary(path) and tree.size(path) > 1 << 20:
            yield Finding(path, 1, f"{tree.size(path) >> 10} KiB of binary: generate or fetch it")
