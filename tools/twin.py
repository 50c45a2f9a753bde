"""Writes `src/ostiary/sync`, the twin that needs no event loop, from the source that does.

    python -m tools.twin           writes it
    python -m tools.twin --check   says what differs

The asynchronous source is the only truth. A definition is written again only if it waits, or uses one that does; what
waits for nothing is imported from where it stands, so a class that both worlds know is one class. Words are rewritten,
nothing else: `await` goes, `async def` becomes `def`. What waits in another way with threads is written by hand, in
the files of `ostiary.sync` that do not say they are generated.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "ostiary"
TWIN: Final = SOURCE / "sync"

MODULES: Final = (
    "ports",
    "methods.argon2",
    "methods.password",
    "stores.sql.link",
    "stores.sql._accounts",
    "stores.sql._feed",
    "stores.sql._outbox",
    "stores.sql._records",
    "stores.sql._sessions",
    "stores.sql.store",
    "stores.redis._link",
    "stores.redis._tables",
    "stores.redis",
    "guard",
    "feed.follower",
    "auth.work",
    "auth.post",
    "auth.throttles",
    "auth.keys",
    "auth.accounts",
    "auth.tickets",
    "auth.standing",
    "auth.asking",
    "auth.beginning",
    "auth.redeeming",
    "auth.flows",
    "auth.arrivals",
    "auth.verifiers",
    "auth.upkeep",
    "mail.files",
    "mail.mail",
    "mail",
    "auth.verbs",
    "auth",
    "web.metrics",
    "web.call",
    "web.answers",
    "web.endpoints",
    "web.openapi",
    "web.pages.visit",
    "web.pages.answers",
    "web.pages.letters",
    "web.pages.table",
    "web.pages.router",
    "web.pages",
    "web.router",
    "testing.sessions",
)
"""What has a twin, each after what it is built on."""

BY_HAND: Final = {
    ("shared", "Shared"): "shared",
    ("core.floor", "Floors"): "floors",
    ("watched", "Floors"): "floors",
    ("auth.upkeep", "Upkeep"): "background",
    ("auth.upkeep", "_repeat"): "background",
    ("feed.relay", "Relay"): "relay",
    ("stores.sql.sqlite", "Sqlite"): "sqlite",
    ("stores.sql.postgres", "Postgres"): "postgres",
    ("stores.sql.migrations", "upgrade"): "migrations",
    ("redis", "Client"): "redis",
    ("redis", "RedisPlace"): "redis",
    ("stores.redis._link", "Opening"): "redis",
    ("feed.redis", "RedisStream"): "stream",
    ("mail.smtp", "Smtp"): "smtp",
    ("stores.bell", "Bell"): "bell",
    ("stores.sql", "SqlStore"): "stores.sql.store",
}
"""Names whose counterpart stands in a file of the twin."""

WORDS: Final = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "asynccontextmanager": "contextmanager",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
}

WAITS: Final = {"async", "await", "Awaitable", "asyncio", *WORDS}

Definitions = dict[str, bool]
"""What a module defines at its top: by name, whether it waits."""


class Module:
    """A module of the source: what it defines, and which of that waits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _path(SOURCE, name)
        self.text = self.path.read_text()
        self.tree = ast.parse(self.text)
        self.imports: dict[str, tuple[str, str]] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ostiary":
                for each in node.names:
                    self.imports[each.asname or each.name] = (
                        (node.module or "").removeprefix("ostiary").lstrip("."),
                        each.name,
                    )
        self.waits: set[str] = set()
        self.defines = {name: node for node in self.tree.body for name in _names(node)}

    def settle(self, known: dict[str, "Module"]) -> None:
        """Find out which definitions wait: by a word of their own, or by another one's."""
        outer = {name for name, (module, what) in self.imports.items() if waits(module, what, known)}
        while True:
            more = {
                name
                for name, node in self.defines.items()
                if name not in self.waits and _words(node) & (WAITS | outer | self.waits | _inner(node, known))
            }
            if not more:
                return
            self.waits |= more


def waits(module: str, what: str, known: dict[str, Module]) -> bool:
    """Tell whether a name of a module has a counterpart in the twin."""
    if (module, what) in BY_HAND or f"{module}.{what}".lstrip(".") in known:
        return True
    if module not in known:
        return False
    there = known[module]
    return what in there.waits or (what in there.imports and waits(*there.imports[what], known))


def _inner(node: ast.stmt, known: dict[str, Module]) -> set[str]:
    """Return the names of the twin that are imported within a definition."""
    return {
        each.name
        for part in ast.walk(node)
        if isinstance(part, ast.ImportFrom)
        for each in part.names
        if waits((part.module or "").removeprefix("ostiary").lstrip("."), each.name, known)
    }


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _words(node: ast.AST) -> set[str]:
    words: set[str] = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name):
                words.add(name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                words.add(text)  # a type in quotes
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncWith() | ast.AsyncFor():
                words.add("async")
            case _:
                pass
    return words


def _path(root: Path, module: str) -> Path:
    parts = module.split(".")
    folder = root.joinpath(*parts)
    return folder / "__init__.py" if folder.is_dir() and root == SOURCE else folder.with_suffix(".py")


# ------------------------------------------------------------------------------------------------ writing


def rewritten(text: str, *, known: dict[str, Module]) -> str:  # noqa: C901 - a table of words
    """Rewrite the words of a piece of source."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    lines = text.splitlines(keepends=True)
    edits: list[tuple[int, int, int, str]] = []
    depth: list[int] = []
    level = 0
    for number, token in enumerate(tokens):
        row, column = token.start[0] - 1, token.start[1]
        if token.string in ("[", "(", "{"):
            level += 1
        elif token.string in ("]", ")", "}"):
            if depth and depth[-1] == level:
                depth.pop()
                edits.append((row, column, column + 1, ""))
            level -= 1
        if token.type != tokenize.NAME:
            continue
        if token.string in ("async", "await"):
            edits.append((row, column, tokens[number + 1].start[1], ""))
        elif token.string == "Awaitable" and tokens[number + 1].string == "[":
            edits.append((row, column, tokens[number + 1].end[1], ""))
            depth.append(level + 1)
        elif token.string == "AsyncGenerator" and "contextmanager" in text:
            edits.append((row, column, token.end[1], "Generator"))
        elif token.string in WORDS:
            edits.append((row, column, token.end[1], WORDS[token.string]))
    for row, start, end, new in sorted(edits, reverse=True):
        lines[row] = lines[row][:start] + new + lines[row][end:]
    text = "".join(lines).replace("async with ", "with ")  # what a docstring shows

    def imported(match: re.Match[str]) -> str:
        indent, module, names, rest = match.groups()
        return "".join(f"{indent}{line}{rest}\n" for line in _import(module, names.split(","), known)).rstrip("\n")

    return re.sub(r"^([ ]+)from ostiary\.?([\w.]*) import ([\w, ]+?)((?:  #.*)?)$", imported, text, flags=re.MULTILINE)


def _import(module: str, names: list[str], known: dict[str, Module]) -> list[str]:
    lines: list[str] = []
    for each in names:
        name, _, alias = each.strip().partition(" as ")
        source = f"ostiary.{module}".rstrip(".")
        if waits(module, name, known):
            source = _twin_of(module, name, known)
        lines.append(f"from {source} import {name}" + (f" as {alias}" if alias else ""))
    return lines


def _twin_of(module: str, name: str, known: dict[str, Module]) -> str:
    if (module, name) in BY_HAND:
        return f"ostiary.sync.{BY_HAND[module, name]}"
    if f"{module}.{name}".lstrip(".") not in known and name not in known[module].waits:
        return _twin_of(*known[module].imports[name], known)
    return f"ostiary.sync.{module}".rstrip(".")


def twin(module: Module, known: dict[str, Module]) -> str:  # noqa: C901, PLR0912 - one kind of statement a branch
    """Return the text of a module's twin."""
    head = [f'"""Generated by `make twin` from `ostiary.{module.name}`: change that, not this."""\n\n']
    body: list[str] = []
    lines = module.text.splitlines(keepends=True)
    kept_private = {name for name in module.defines if name.startswith("_") and name not in module.waits}
    used = _used(module, kept_private)
    elsewhere: list[str] = []
    end = 0
    skipped = True
    for node in module.tree.body:
        start = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) - 1
        between = "".join(lines[end:start])
        end = node.end_lineno or node.lineno
        text = "".join(lines[start:end])
        names = _names(node)
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                if not skipped and body:
                    body.append(between + text)
            case ast.Import():
                head += [
                    "from ostiary.sync import threads as asyncio\n"
                    if each.name == "asyncio"
                    else f"import {each.name}\n"
                    for each in node.names
                ]
            case ast.ImportFrom():
                name = node.module or ""
                for each in node.names:
                    what = each.name + (f" as {each.asname}" if each.asname else "")
                    if name.split(".")[0] == "ostiary":
                        head += [
                            line + "\n" for line in _import(name.removeprefix("ostiary").lstrip("."), [what], known)
                        ]
                    elif each.name == "Awaitable":
                        pass
                    else:
                        new = WORDS.get(each.name, each.name)
                        head.append(f"from {name} import {what.replace(each.name, new)}\n")
                        if each.name == "AsyncGenerator":
                            head.append(f"from {name} import Generator\n")
            case ast.If():
                head.append(text)
            case _:
                is_needed = any(
                    (name in module.waits and (module.name, name) not in BY_HAND)
                    or name in kept_private & used
                    or name == "__all__"
                    for name in names
                )
                skipped = not is_needed
                if is_needed:
                    body.append(
                        re.sub(r"^# -{20,}.*\n", "", between, flags=re.MULTILINE) + rewritten(text, known=known)
                    )
                else:
                    elsewhere += [name for name in names if name in used or not name.startswith("_")]
    head += [f"from {_home(module.name, name)} import {name}\n" for name in elsewhere if name in used]
    if "AsyncGenerator" not in "".join(body):
        head = [line for line in head if not line.endswith(" import AsyncGenerator\n")]
    return "".join(head) + "\n\n" + "".join(body)


def _home(module: str, name: str) -> str:
    """Return where what a module defines is to be had from."""
    where = BY_HAND.get((module, name))
    return f"ostiary.sync.{where}" if where else f"ostiary.{module}"


def _used(module: Module, private: set[str]) -> set[str]:
    """Return every name that what waits makes use of, directly or by something private."""
    used: set[str] = set()
    waiting = [
        node for name, node in module.defines.items() if name in module.waits and (module.name, name) not in BY_HAND
    ]
    while waiting:
        node = waiting.pop()
        for word in _words(node) - used:
            used.add(word)
            if word in private:
                waiting.append(module.defines[word])
    return used


def generated() -> dict[Path, str]:
    """Return every file of the twin that is generated, as it should be."""
    known = {name: Module(name) for name in MODULES}
    for module in known.values():
        module.settle(known)
    files: dict[Path, str] = {}
    for name, module in known.items():
        place = TWIN.joinpath(*name.split("."))
        is_folder = module.path.name == "__init__.py"
        files[place / "__init__.py" if is_folder else place.with_suffix(".py")] = twin(module, known)
    for path in tuple(files):
        folder = path.parent
        while folder != TWIN:
            files.setdefault(folder / "__init__.py", '"""Generated by `make twin`: a folder of the twin."""\n')
            folder = folder.parent
    return {path: _formatted(text, path) for path, text in files.items()}


def _formatted(text: str, path: Path) -> str:
    """Sort the imports, drop those that nothing uses, and lay it out as all files are."""
    ruff = Path(sys.executable).with_name("ruff")
    for words in 2 * (
        ("check", "--quiet", "--fix-only", "--unsafe-fixes", "--fixable", "I001,F401,F811,RUF100,TC005"),
        ("format", "--quiet"),
    ):
        text = subprocess.run(  # noqa: S603 - our own tool
            (str(ruff), *words, "--stdin-filename", str(path), "-"),
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def main() -> int:
    """Write the twin, or say how it differs from what it should be."""
    files = generated()
    differ = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in differ:
            print(f"{path.relative_to(ROOT)} is not what its source says; run: make twin")  # noqa: T201 - it tells
        return bool(differ)
    for path in differ:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
