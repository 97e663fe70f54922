"""Reads the package's source and says where it breaks the rules of its layout."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

# The modules of each floor, in the order in which they may import each other: a module imports from
# lower floors, and from modules that stand before it on its own. A new module needs a place here.
FLOORS = (
    ("seldom", "codes", "pages", "errors", "readers", "urls", "config", "model", "sealing", "breaker"),
    (
        "hub.answer",
        "hub.credentials",
        "hub.deadline",
        "hub.transport",
        "hub.oauth",
        "hub.keys",
        "hub.openid",
        "hub.rest",
        "hub.directory",
        "hub.signed",
        "hub.wire",
    ),
    (
        "tokens.calls",
        "tokens.times",
        "tokens.locks",
        "tokens.redis_clients",
        "tokens.redis_store",
        "tokens.folder",
        "tokens.sweep",
        "tokens.store",
        "tokens.people",
        "tokens.logins",
        "tokens.living",
        "tokens.keeper",
        "tokens.sessions",
        "tokens.readings",
        "tokens.permissions",
        "tokens.bearer",
        "tokens.client",
    ),
    (
        "web.signals",
        "web.navigation",
        "web.addresses",
        "web.pending",
        "web.state",
        "web.identity",
        "web.looks",
        "web.login",
        "web.checks",
        "web.callback",
        "web.admission",
        "web.guards",
        "web.routes",
        "web.views",
        "web.answers",
    ),
    (
        "assembly",
        "extension",
        "doctor.findings",
        "doctor.start",
        "doctor.clockwork",
        "doctor.ground",
        "doctor.address",
        "doctor.client",
        "doctor.services",
        "doctor.own",
        "doctor.stores",
        "doctor.visit",
        "doctor.examination",
        "asking",
        "printing",
        "cli",
    ),
)
# The packages stand last on their floor; the package itself is above all floors.
PACKAGES = {"hub": 1, "tokens": 2, "web": 3, "doctor": 4}
BESIDE = ("devhub", "testing")
FIRST_FLOOR_WITH_FLASK = 3

# What only one module knows: a module or a name in it, with all that is below it.
OWNERS = {
    "authlib": "hub.oauth",
    "cachelib": "tokens.store",
    "filelock": "tokens.locks",
    "redis.lock": "tokens.locks",
    "redis.asyncio.lock": "tokens.locks",
    "cryptography.hazmat.primitives.ciphers": "sealing",
    "itsdangerous": "web.pending",
    "joserfc": "hub.openid",
    "requests.exceptions": "hub.transport",
}
REQUESTS_ERRORS = {
    name for name, value in vars(requests).items() if isinstance(value, type) and issubclass(value, Exception)
}
OWNERS.update((f"requests.{name}", "hub.transport") for name in REQUESTS_ERRORS)

LONGEST_FILE = 300


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name below the package ("" for the package itself) and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether this is an ``__init__.py``."""
        return self.path.name == "__init__.py"

    @property
    def top(self) -> str:
        """The first part of the name: the floor's package, or the module."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Import:
    """One imported module or name, in full, with its line, and whether a function does it or only a type checker."""

    target: str
    line: int
    inside_function: bool
    for_types: bool


def modules(package: Path) -> list[Module]:
    """All source files below the folder of the package."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return found


def imports(module: Module, package: str) -> Iterator[Import]:
    """Everything that the module imports, relative imports resolved against the package's name."""
    functions = _below(module.tree, lambda node: isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
    for_types = _below(module.tree, lambda node: isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    for node in ast.walk(module.tree):
        for target in _targets(node, module, package):
            yield Import(target, getattr(node, "lineno", 0), node in functions, node in for_types)


def _below(tree: ast.AST, wanted: Callable[[ast.AST], bool]) -> set[ast.AST]:
    return {inner for node in ast.walk(tree) if wanted(node) for inner in ast.walk(node)}


def _targets(node: ast.AST, module: Module, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(node.level, node.module or "", module, package)
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "requests":
        return [f"requests.{node.attr}"]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        text = str(node.args[0].value)
        if called in ("import_module", "__import__"):
            dots = len(text) - len(text.lstrip("."))
            return [_absolute(dots, text[dots:], module, package)]
    return []


def _absolute(dots: int, target: str, module: Module, package: str) -> str:
    if not dots:
        return target
    here = [package, *filter(None, module.name.split("."))]
    if not module.is_package:
        here.pop()
    return ".".join([*here[: len(here) - dots + 1], *filter(None, [target])])


def problems(package: Path) -> list[str]:
    """One sentence for each place that breaks a rule about imports; empty where all is well."""
    found = modules(package)
    names = {module.name for module in found}
    return [problem for module in found for problem in _problems(module, package.name, names)]


def _problems(module: Module, package: str, names: set[str]) -> Iterator[str]:
    if module.top not in BESIDE and _place(module.name) is None:
        yield f"{module.name} has no place on a floor (FLOORS in tests/layout.py)"
        return
    for found in imports(module, package):
        where = f"{module.name or package}:{found.line}"
        inside = _inside(found.target, package, names)
        if inside is None:
            yield from (f"{where} {problem}" for problem in _foreign(module, found.target))
        else:
            yield from (f"{where} {problem}" for problem in _own(module, inside, found))


def _inside(target: str, package: str, names: set[str]) -> str | None:
    """The module of the package that is imported ("" for the package itself), None for anybody else's."""
    if target != package and not target.startswith(f"{package}."):
        return None
    name = target[len(package) + 1 :]
    while name and name not in names and _place(name) is None:
        name = name.rpartition(".")[0]
    return name


def _place(name: str) -> tuple[int, int] | None:
    """The floor of a module and its place on it."""
    if not name:
        return len(FLOORS), 0
    if name in PACKAGES:
        return PACKAGES[name], len(FLOORS[PACKAGES[name]])
    for number, floor in enumerate(FLOORS):
        if name in floor:
            return number, floor.index(name)
    return None


def _own(module: Module, target: str, found: Import) -> Iterator[str]:
    if module.top == "devhub":
        if target.partition(".")[0] != "devhub":
            yield f"imports {target or 'the package'}: the dev Hub reads Hub's documentation on its own"
    elif module.top == "testing":
        return
    elif target.partition(".")[0] == "testing":
        yield f"imports {target}, which is for tests alone"
    elif target.partition(".")[0] == "devhub":
        if module.name != "cli" or not found.inside_function:
            yield f"imports {target}, which only a function of cli may"
    elif target != module.name:
        here, there = _place(module.name), _place(target)
        if here is not None and there is not None and there > here:
            yield f"imports {target or 'the package'}, which is above it"


def _foreign(module: Module, target: str) -> Iterator[str]:
    if module.top in BESIDE:
        return
    place = _place(module.name)
    if target.partition(".")[0] == "flask" and place is not None and place[0] < FIRST_FLOOR_WITH_FLASK:
        yield f"imports {target}: floors 0 to {FIRST_FLOOR_WITH_FLASK - 1} work without Flask"
    for library, owner in OWNERS.items():
        if (target == library or target.startswith(f"{library}.")) and module.name != owner:
            yield f"uses {target}, which only {owner} knows"


def cycles(package: Path) -> list[list[str]]:
    """Every ring of modules that import each other, also from functions; what only types need makes none."""
    found = modules(package)
    names = {module.name for module in found}
    graph = {
        module.name: {
            inside
            for each in imports(module, package.name)
            if not each.for_types
            and (inside := _inside(each.target, package.name, names)) is not None
            and inside != module.name
        }
        for module in found
    }
    rings: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            rings.append([*path[path.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                walk(target, [*path, name])
            done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return rings


def long_files(package: Path) -> list[str]:
    """The files of more lines than a file should have."""
    counted = {module.path: len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules(package)}
    return [
        f"{path.relative_to(package)} has {lines} lines, {LONGEST_FILE} are the most"
        for path, lines in counted.items()
        if lines > LONGEST_FILE
    ]


def without_docstring(package: Path) -> list[str]:
    """The modules and public classes and functions that say nothing about themselves."""
    return [
        f"{module.path.relative_to(package)}: {name}"
        for module in modules(package)
        for name in _silent(module.tree, module.path.stem)
    ]


def _silent(tree: ast.Module, name: str) -> Iterator[str]:
    if tree.body and not ast.get_docstring(tree):
        yield name
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            overload = any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
            if not node.name.startswith("_") and not overload and not ast.get_docstring(node):
                yield node.name
