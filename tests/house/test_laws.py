"""The laws of the house: what no file of the package may do, and that each law catches who breaks it."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ostiary

ROOT = Path(ostiary.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
CORE = sorted((ROOT / "core").glob("*.py"))

Law = Callable[[ast.Module], Iterator[str]]

# ------------------------------------------------------------------------------------------------ the laws of core

BESIDE_STDLIB = ("cryptography", "msgspec", "ostiary.core")
BANNED = {
    *("asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "signal", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "uuid", "zoneinfo"),
}
CLOCKS = {"now", "utcnow", "today"}
BUILTINS = {"open", "input", "print", "eval", "exec", "compile", "__import__"}


def core_imports(tree: ast.Module) -> Iterator[str]:
    """Core imports the pure part of the standard library, cryptography, msgspec and itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=module, level=level):
                modules = ["." * level + (module or "")]
            case _:
                continue
        for module in modules:
            top = module.partition(".")[0]
            is_ours = any(module == allowed or module.startswith(f"{allowed}.") for allowed in BESIDE_STDLIB)
            if top in BANNED or not (is_ours or top in sys.stdlib_module_names):
                yield f"imports {module}"


def core_is_pure(tree: ast.Module) -> Iterator[str]:
    """Core reads no clock, makes no key and opens nothing."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=attr)) if attr in CLOCKS:
                yield f"reads the clock: {attr}()"
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name.startswith("generate"):
                yield f"takes chance: {name}()"
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield f"calls {name}()"
            case _:
                pass


def core_is_not_async(tree: ast.Module) -> Iterator[str]:
    """Core decides at once: nothing in it waits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"waits in line {node.lineno}"


# ------------------------------------------------------------------------------------------------ the laws of all

EMPTY_WORDS = ("utils", "util", "helpers", "helper", "manager", "service", "handler", "info")
SWITCHES_OFF = re.compile(r"(verify|check|validate|skip|ignore|disable|insecure|unsafe|no)(_.*)?")
CALLED_OFF = {"verify", "verify_signature", "verify_exp", "verify_aud", "verify_iss", "verify_ssl", "check_hostname"}


def module_name(path: Path) -> Iterator[str]:
    """No module is named for nothing in particular."""
    words = path.stem.lower().split("_")
    if words[-1] in EMPTY_WORDS or path.parent.name in EMPTY_WORDS:
        yield f"is named {path.stem}"


def class_names(tree: ast.Module) -> Iterator[str]:
    """No class is named for nothing in particular."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.lower().endswith(EMPTY_WORDS):
            yield f"has a class {node.name}"


def small_protocols(tree: ast.Module) -> Iterator[str]:
    """A protocol has seven methods at most: what has more is two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases):
            methods = [child for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]
            if len(methods) > 7:
                yield f"{node.name} has {len(methods)} methods"


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Every module, and every public class, function and method, says what it means."""
    if ast.get_docstring(tree) is None:
        yield "has no docstring"
    yield from _undocumented(tree.body)


def _undocumented(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None and "overload" not in map(ast.unparse, node.decorator_list):
                yield f"{node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from _undocumented(node.body)


def no_switch_off(tree: ast.Module) -> Iterator[str]:
    """No boolean switches a check off, neither as a parameter nor in a call."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments):
                for argument, default in _parameters(arguments):
                    is_bool = argument.annotation is not None and ast.unparse(argument.annotation) == "bool"
                    is_bool |= isinstance(default, ast.Constant) and isinstance(default.value, bool)
                    if is_bool and SWITCHES_OFF.fullmatch(argument.arg):
                        yield f"{node.name} takes {argument.arg}"
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                    if is_false and keyword.arg in CALLED_OFF:
                        yield f"passes {keyword.arg}=False"
            case _:
                pass


def _parameters(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    positional = arguments.posonlyargs + arguments.args
    yield from zip(positional[::-1], [*arguments.defaults[::-1], *[None] * len(positional)], strict=False)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


# ------------------------------------------------------------------------------------------------ they are kept


def offences(law: Law, files: list[Path]) -> list[str]:
    """Return every offence against a law, with its file."""
    return [f"{file.relative_to(ROOT)} {what}" for file in files for what in law(ast.parse(file.read_text()))]


@pytest.mark.parametrize("law", [core_imports, core_is_pure, core_is_not_async], ids=lambda law: law.__name__)
def test_core(law: Law) -> None:
    """What decides does not act."""
    assert len(CORE) > 10
    assert offences(law, CORE) == []


@pytest.mark.parametrize("law", [class_names, no_switch_off], ids=lambda law: law.__name__)
def test_everywhere(law: Law) -> None:
    """A name is a promise, and a check cannot be switched off by a boolean."""
    assert offences(law, FILES) == []


def test_module_names() -> None:
    """No module is called utils, helpers, manager, service, handler or info."""
    assert [f"{file.relative_to(ROOT)} {what}" for file in FILES for what in module_name(file)] == []


def test_ports() -> None:
    """A port has seven verbs at most."""
    assert offences(small_protocols, [ROOT / "ports.py"]) == []


def test_docstrings() -> None:
    """Every public name has a docstring; in a module with an underscore nothing is public but the module's own."""
    public = [file for file in FILES if not (file.stem.startswith("_") and file.stem != "__init__")]

    assert offences(docstrings, public) == []
    assert [str(file) for file in FILES if ast.get_docstring(ast.parse(file.read_text())) is None] == []


# ------------------------------------------------------------------------------------------------ they can be broken

OFFENDERS: list[tuple[Law, str]] = [
    *((core_imports, f"import {module}") for module in ("time", "os.path", "secrets", "sqlalchemy", "json, random")),
    *(
        (core_imports, f"from {module} import x")
        for module in ("asyncio", "joserfc.jwk", "ostiary.ports", ".keys", ".")
    ),
    (core_imports, "def f():\n    import logging"),
    *((core_is_pure, source) for source in ("datetime.now(UTC)", "datetime.utcnow()", "date.today()", "open('x')")),
    *((core_is_pure, source) for source in ("generate_private_key(SECP256R1())", "Ed25519PrivateKey.generate()")),
    *((core_is_not_async, f"async def f():\n    {line}") for line in ("...", "await g()", "async with g(): ...")),
    *((class_names, f"class {name}: ...") for name in ("SessionManager", "TokenService", "Utils", "UserInfo")),
    (class_names, "def f():\n    class RequestHandler: ..."),
    (small_protocols, "class P(Protocol):\n" + "".join(f"    def m{i}(self): ...\n" for i in range(8))),
    (small_protocols, "class P(Protocol[T]):\n" + "".join(f"    async def m{i}(self): ...\n" for i in range(8))),
    (docstrings, "x = 1"),
    *((docstrings, f'"""Doc."""\n{source}') for source in ("def f(): ...", "async def f(): ...", "class C: ...")),
    (docstrings, '"""Doc."""\nclass C:\n    """Doc."""\n    def m(self): ...'),
    *(
        (no_switch_off, f"def f({source}): ...")
        for source in ("verify=True", "*, verify_exp: bool", "a, skip_mac=False")
    ),
    *(
        (no_switch_off, f"async def f({source}): ...")
        for source in ("check: bool = True, /", "a, b, unsafe: bool, c=1")
    ),
    *((no_switch_off, source) for source in ("get(url, verify=False)", "decode(t, verify_signature=False)")),
]


@pytest.mark.parametrize(("law", "source"), OFFENDERS, ids=lambda value: getattr(value, "__name__", repr(value)[:40]))
def test_offenders_are_caught(law: Law, source: str) -> None:
    """Each law catches who breaks it."""
    assert list(law(ast.parse(source)))


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "session_manager.py", "service.py", "info/x.py"])
def test_empty_names_are_caught(name: str) -> None:
    """A module with an empty name is caught, and so is one in a folder with such a name."""
    assert list(module_name(ROOT / name))


@pytest.mark.parametrize(
    ("law", "source"),
    [
        (core_imports, "import re\nimport urllib.parse\nfrom ostiary.core.keys import X\nfrom cryptography.x import Y"),
        (core_is_pure, "clock.now()\nnow = datetime(2026, 1, 1)\nkey.sign(text)"),
        (class_names, "class Session: ...\nclass Handled: ..."),
        (small_protocols, "class P(Protocol):\n" + "".join(f"    def m{i}(self): ...\n" for i in range(7))),
        (docstrings, '"""Doc."""\ndef _f(): ...\nclass _C:\n    def m(self): ...\nclass D:\n    """D."""\n    x = 1'),
        (no_switch_off, "def f(verifies: bool, checked: bool = False, number=1): ...\nget(url, verify=bundle)"),
    ],
    ids=lambda value: getattr(value, "__name__", "source"),
)
def test_the_innocent_are_not(law: Law, source: str) -> None:
    """No law catches what is allowed."""
    assert list(law(ast.parse(source))) == []
