"""What C++ may say. All of these look at code without comments and without the insides of literals."""
import re
from typing import NamedTuple

from .structure import is_test, module_of, read_deps
from .tree import Finding, check, line_of


class Ban(NamedTuple):
    pattern: str
    instead: str
    scope: str = ""         # only below this folder; everywhere when empty
    homes: tuple = ()       # allowed below these path prefixes
    covers_tests: bool = True


BANS = [
    Ban(r"\b(?:clock_gettime|gettimeofday|timespec_get|ftime)\s*\(|\b(?:steady|system|high_resolution)_clock\b"
        r"|\b\w+_clock::now\b|(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&)"
        r"|(?<![\w.>])(?:std::)?clock\s*\(\s*\)(?!\s*(?:const|\{|override))|\b\w*(?:rdtscp?|readcyclecounter)\b",
        "only os reads clocks: take a MonoTime, or a Clock", scope="src/", homes=("src/os/",)),
    Ban(r"\b(?:getrandom|getentropy|s?rand|s?random|arc4random\w*|randombytes_\w+|RAND_(?:priv_)?bytes"
        r"|crypto_(?!\w*seed)\w*keypair)\s*\(|\brandom_device\b|\bmt19937\w*",
        "only os draws randomness: take an Rng", scope="src/", homes=("src/os/",)),
    Ban(r"\bsystem\s*\(|\bpopen\s*\(", "a shell between us and a program is an injection: use os"),
    Ban(r"(?<![\w.>])v?fork\s*\(|\bexec[lv]p?e?\s*\(|\bposix_spawnp?\s*\(",
        "only os starts programs", scope="src/", homes=("src/os/",), covers_tests=False),
    Ban(r"(?<![\w.>])(?:u|nano)?sleep\s*\(|\bthis_thread::sleep_\w+",
        "sleeping hides a race: wait for the event itself, with a bound"),
    Ban(r"\bco_spawn\s*\(|\bdetached\b", "start coroutines through aio::TaskGroup, which ends them",
        homes=("src/aio/task_group",)),
    Ban(r"\.\s*detach\s*\(", "nothing outlives stop(): join the thread"),
    Ban(r"\bassert\s*\(|<cassert>|<assert\.h>", "VERIFY holds in every build (base/verify.h)"),
    Ban(r"<iostream>", "it costs start-up time and a global: use fmt, and Log for what happened"),
    Ban(r"<regex>|\bstd::(?:basic_)?regex\b", "std::regex recurses without bound on hostile input"),
    Ban(r"\b(?:sprintf|vsprintf|strcpy|strcat|strncpy|gets|strtok|tmpnam|mktemp|alloca)\s*\(",
        "it cannot be bounded or is not safe: use std::string, fmt or os"),
    Ban(r"\b(?:ato[ifl]l?|strto[duf]l*|sto(?:i|l|ul|ll|ull|d|f))\s*\(",
        "it follows the locale or hides errors: use parse_decimal or std::from_chars", covers_tests=False),
    Ban(r"\bconst_cast\s*<", "give the function the constness it needs"),
    Ban(r"\benable_shared_from_this\b|\bshared_ptr\s*<\s*(?!const\b)",
        "one owner: unique_ptr, or shared_ptr<const T> for a snapshot",
        scope="src/", homes=("src/aio/", "src/tls/")),
]


@check(
    bad=[{"src/wg/a.cpp": "auto t = std::chrono::steady_clock::now();"},
         {"src/wg/a.cpp": "x = time(nullptr);"},
         {"src/wg/a.cpp": "x = std::clock();"},
         {"src/wg/a.cpp": "x = std::chrono::utc_clock::now();"},
         {"src/wg/a.cpp": "x = __builtin_ia32_rdtsc();"},
         {"src/wg/a.cpp": "getrandom(p, n, 0);"},
         {"src/wg/a.cpp": "std::mt19937 twister;"},
         {"src/crypto/a.cpp": "crypto_box_keypair(pk, sk);"},
         {"src/os/a.cpp": 'system("ls");'},
         {"src/node/a.cpp": "if (fork() == 0) return;"},
         {"src/os/a_test.cpp": "std::this_thread::sleep_for(1s);"},
         {"test/e2e/a.cpp": "usleep(10);"},
         {"src/node/a.cpp": "co_spawn(ex, f(), detached);"},
         {"src/os/a.cpp": "worker.detach();"},
         {"src/wg/a.cpp": "assert(x);"},
         {"src/wg/a.cpp": "#include <iostream>\n"},
         {"src/wg/a.cpp": "std::regex r;"},
         {"src/wg/a.cpp": "sprintf(b, x);"},
         {"src/wg/a.cpp": "int x = atoi(s); std::stoi(s);"},
         {"src/wg/a.cpp": "auto* p = const_cast<char*>(q);"},
         {"src/node/a.cpp": "std::shared_ptr<Session> s;"}],
    good=[{"src/os/clock.cpp": "clock_gettime(CLOCK_BOOTTIME, &t);"},
          {"src/wg/a.cpp": "// time(nullptr) is not allowed\nauto s = \"system(x)\"; d.time(0);"},
          {"src/wg/a.cpp": "const Clock& clock() const { return clock_; } x.clock().now(); y = runtime->clock();"},
          {"src/wg/a.cpp": "static_assert(x); set_time(0); rng.fill(b); operand(1);"},
          {"src/crypto/a.cpp": "crypto_sign_seed_keypair(pk, sk, seed);"},
          {"src/aio/task_group.cpp": "co_spawn(ex, f(), done);"},
          {"src/aio/time.cpp": "#include <boost/asio/co_spawn.hpp>\nTask<> sleep_for(Duration);"},
          {"src/node/a_test.cpp": "const int x = std::stoi(text);"},
          {"src/node/a.cpp": "std::shared_ptr<const Netmap> map; asio::steady_timer t;"}])
def banned_calls(tree):
    """No call that reads a clock, draws randomness or starts a program outside os; that sleeps; that
    starts what nobody ends; or for which the project has something better."""
    for path in tree.cpp():
        code = tree.code(path)
        for ban in BANS:
            is_free = path.startswith(ban.homes) or (is_test(path) and not ban.covers_tests)
            if is_free or not path.startswith(ban.scope):
                continue
            for match in re.finditer(ban.pattern, code):
                what = match[0].strip(" (<")
                yield Finding(path, line_of(code, match.start()), f"{what}: {ban.instead}")


BYTE_TARGET = re.compile(
    r"\s*(?:const\s+)?(?:struct\s+)?(?:(?:::)?(?:std::)?(?:u?int8_t|byte|u?intptr_t)|(?:unsigned )?char|void"
    r"|(?:::)?sockaddr(?:_\w+)?|__m\d+i?)\s*(?:const\s*)?[*&]*\s*(?:const\s*)?>")


@check(
    bad=[{"src/wg/a.cpp": "auto* h = reinterpret_cast<const Header*>(bytes.data());"},
         {"src/os/a.cpp": "auto* h = reinterpret_cast<nlmsghdr*>(buffer);"}],
    good=[{"src/wg/a.cpp": "auto* p = reinterpret_cast<const std::uint8_t*>(text.data());"},
          {"src/os/a.cpp": "bind(fd, reinterpret_cast<const ::sockaddr*>(&a), sizeof a);"}])
def byte_casts(tree):
    """reinterpret_cast only towards bytes, sockaddr and vector registers. A struct laid over bytes is an
    aliasing, alignment and byte-order bug: read it through ByteReader."""
    for path in tree.cpp():
        code = tree.code(path)
        for match in re.finditer(r"\breinterpret_cast\s*<", code):
            if not BYTE_TARGET.match(code, match.end()):
                yield Finding(path, line_of(code, match.start()), "read bytes through ByteReader")


@check(
    bad=[{"src/a/a.h": "using namespace std;\n"}],
    good=[{"src/a/a.h": "using namespace std::chrono_literals;\n"},
          {"src/a/a.cpp": "using namespace std::chrono;\n"}])
def using_namespace(tree):
    """A header opens no namespace for those who include it, except one of literals."""
    for path in tree.paths("src/*.h", "test/*.h"):
        code = tree.code(path)
        for match in re.finditer(r"\busing\s+namespace\s+([\w:]+)", code):
            if not match[1].endswith("literals"):
                yield Finding(path, line_of(code, match.start()), "name what you use instead")


@check(
    bad=[{"tools/deps.txt": "L1 wg:\n", "src/wg/a.cpp": "throw 1;"}],
    good=[{"tools/deps.txt": "L2 tls:\n", "src/tls/a.cpp": "throw Closed();"},
          {"tools/deps.txt": "L1 wg:\n", "src/wg/a_test.cpp": "throw 1;"}])
def exceptions(tree):
    """Errors are values. Only an L2 module, towards the library it hides, and tests may throw."""
    modules, _ = read_deps(tree)
    for path in tree.paths("src/*.h", "src/*.cpp"):
        if is_test(path) or modules.get(module_of(path), (2, [], 0))[0] == 2:
            continue
        code = tree.code(path)
        for match in re.finditer(r"\bthrow\b", code):
            yield Finding(path, line_of(code, match.start()), "return a Result")


@check(
    bad=[{"src/a/a.cpp": "f() { auto x = co_await g(co_await h()); }"},
         {"src/a/a.cpp": "f() { auto x = ok ? co_await g() : 0; }"},
         {"src/a/a.cpp": "f() { auto x = co_await g() && y; }"},
         {"src/a/a.cpp": "f() { auto x = y || co_await g(); }"},
         {"src/a/a.cpp": "f() { co_await g({1, 2}); }"},
         {"src/a/a.cpp": "f() { co_await g(Point{1}); }"},
         {"src/a/a.cpp": "f() { Point p{co_await g()}; }"},
         {"src/a/a.cpp": "f() { co_await g([n] { return n; }); }"},
         {"src/a/a.cpp": "f() { auto x = TRY(co_await g()); }"},
         {"src/a/a.cpp": "f() { h(co_await g()); }"},
         {"src/a/a.cpp": "f() { auto x = (co_await g()).value; }"},
         {"src/a/a.cpp": "f() { while (co_await g()) h(); }"},
         {"src/a/a.cpp": "f() { co_return 1 + co_await g(); }"}],
    good=[{"src/a/a.cpp": "f() { co_await g(); if (x) co_await g(); else co_return co_await h(1); }"},
          {"src/a/a.cpp": "f() { auto x = co_await g(); y.z = co_await g(a[1], b); auto [p, q] = co_await g(); }"},
          {"src/a/a.cpp": "f() { if (auto x = co_await g(); !x) co_return x.error(); }"},
          {"src/a/a.cpp": "f() { for (int i = 0; i < 2; ++i) co_await g(); case 1: co_await g(); }"},
          {"src/a/a.cpp": "f() { const Result<std::vector<int>> x = co_await g(std::move(y)); }"},
          {"src/a/a.cpp": "auto operator co_await() const; // co_await f({1})\n"}])
def lone_await(tree):
    """One co_await a statement, and nothing else clever in it: the whole statement, or all of the right
    side of an initialisation, an assignment or a co_return. Never beside ?:, && or ||, a braced list or
    a lambda, never inside another call or TRY. Order of evaluation and lifetime of temporaries are then
    plain, also to compilers that get them wrong."""
    for path in tree.cpp():
        code = tree.code(path)
        for match in re.finditer(r"\bco_await\b", code):
            if re.search(r"\boperator\s*$", code[:match.start()]):
                continue
            if why := await_fault(code, match.start(), match.end()):
                yield Finding(path, line_of(code, match.start()), why)


def await_fault(code, start, end):
    before = code[max(code.rfind(mark, 0, start) for mark in ";{}") + 1:start]
    if re.search(r"[?]|&&|\|\|", last_clause(before)):
        return "await into a local first, then decide"
    if not re.fullmatch(r"(?:co_return|[\w:<>,\s*&\[\].()-]+[^=!<>+-]=)?", last_clause(before).strip()):
        return "await into a local of its own, then use it"
    depth = 0
    for match in re.finditer(r"[(){};?]|&&|\|\||\bco_await\b|\[(?=[^\]\[]*\]\s*[({])", code[end:]):
        mark = match[0]
        if mark == ";" and depth == 0:
            return None
        if mark in "{[":
            return "name the argument in a statement before: no braced list or lambda beside an await"
        if mark in ("?", "&&", "||", "co_await"):
            return "await into a local first: one co_await a statement, without ?:, && and ||"
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth < 0 or mark == "}":
            return "await into a local of its own, then use it"
    return "the statement has no end"


def last_clause(before):
    """What stands between the last label or control header and the co_await."""
    clause = re.sub(r"^\s*(?:case\b[^:;]*|default)\s*:(?!:)", "", before)
    clause = re.sub(r"^\s*else\b", "", clause)
    depth = 0
    for position in range(len(clause) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(clause[position], 0)
        if depth < 0:  # inside an open bracket: only `if (init` and `switch (init` may be one
            header = re.search(r"\b(?:if|switch)\s*$", clause[:position])
            return clause[position + 1:] if header else clause
    if depth > 0:  # behind the end of `for (...; ...; step)`
        return clause[clause.rindex(")") + 1:]
    if header := re.match(r"\s*(?:if(?:\s+constexpr)?|while|for)\s*\(", clause):
        return clause[closing(clause, header.end()):]
    return clause


def closing(text, position):
    depth = 1
    while depth and position < len(text):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        position += 1
    return position


@check(
    bad=[{"src/wg/messages.h": "struct Initiation {\n  int x;\n};\n"},
         {"src/dns/codec.h": "// wire: RFC 1035 section 4.1.1\nstruct Header {\n};\n"},
         {"src/wg/log_format.h": "class Entry final : public X {\n};\n"}],
    good=[{"src/wg/messages.h": "struct Initiation {\n};\nstatic_assert(sizeof(Initiation) == 148);\n"},
          {"src/wg/messages.h": "struct Reply {\n  static constexpr int kSize = 4 + 8;\n};\nstruct Other;\n",
           "src/wg/messages_test.cpp": "static_assert(Reply::kSize == 12);\n"},
          {"src/dns/codec.h": "// wire: variable length, RFC 1035 section 4.1.3\nstruct Record {\n};\n"},
          {"src/dns/codec.h": "// A question.\nstruct Question {\n};\n"}])
def wire_sizes(tree):
    """The size of what goes over a wire is asserted. This holds for every struct and class in a header
    called messages.h or *_format.h, and for those whose comment has `wire:`; files of the same module
    say `static_assert(sizeof(T) == N)`, or `static_assert(T::kSize == N)` where the bytes are
    written field by field. A message without a fixed size says `wire: variable` instead."""
    for path in tree.paths("src/*.h"):
        folder = path.rpartition("/")[0]
        asserts = "\n".join(tree.code(other) for other in tree.paths(f"{folder}/*"))
        is_format = path.endswith(("/messages.h", "_format.h"))
        for match in re.finditer(r"^(?:struct|class)\s+(\w+)[^;{]*\{", tree.code(path), re.MULTILINE):
            line = line_of(tree.code(path), match.start())
            comment = comment_above(tree.lines(path), line)
            if "wire: variable" in comment or not (is_format or "wire:" in comment):
                continue
            name = match[1]
            if not re.search(rf"static_assert\(\s*(?:sizeof\({name}\)|{name}::kSize)\s*==", asserts):
                yield Finding(path, line, f"add static_assert(sizeof({name}) == N), or of {name}::kSize")


def comment_above(lines, line):
    first = line - 1
    while first > 0 and lines[first - 1].lstrip().startswith("//"):
        first -= 1
    return "\n".join(lines[first:line - 1])
