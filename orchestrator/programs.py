"""A network without YAML: from functions, or from a file that has some, to the form of a configuration."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, ClassVar

from orchestrator.cells import Cells, is_cell
from orchestrator.installed import is_installed
from orchestrator.sources import Unreadable, find_module, parse
from qnode.errors import ConfigError

Function = Callable[..., Awaitable[object]]


class Program:
    """A function as a node's program, with arguments for it: `Program(alice, theta=0.3)`."""

    service: ClassVar[bool] = False

    def __init__(self, function: Function, /, **args: object) -> None:
        self.function = function
        self.args = args

    def __repr__(self) -> str:
        args = "".join(f", {name}={value!r}" for name, value in self.args.items())
        return f"{type(self).__name__}({getattr(self.function, '__qualname__', self.function)}{args})"


class Service(Program):
    """The same for a program that does not keep the run alive."""

    service = True


ProgramLike = Function | Program | str
NodeLike = ProgramLike | Mapping[str, object] | None
LinkLike = tuple[str, str] | tuple[str, str, str | Mapping[str, object]] | Mapping[str, object]


@dataclass
class Built:
    """What was built in code.

    Attributes:
        data: The network in the form of a configuration.
        path: Folders that programs import from.
        files: The text of each file that must be written for the run, by name.
    """

    data: dict[str, object]
    path: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def build(
    nodes: Mapping[str, NodeLike],
    links: Iterable[LinkLike] | Mapping[str, object],
    settings: Mapping[str, object],
    base: Path,
) -> Built:
    """The network of nodes and links given in code.

    Args:
        nodes: By name: a function, a Program, `"file.py:function"`, what a configuration says of a node (there, too,
            functions may stand for programs), or None for a node without a program.
        links: Pairs of names, each with a length or with what a configuration says of a link as third if wanted; or a
            mapping as in a configuration.
        settings: Everything else that a configuration may say.
        base: The folder that program paths are relative to.
    Raises:
        ConfigError: If a function cannot be a program of another process; it says why, and what to do.
    """
    if not isinstance(nodes, Mapping):
        raise ConfigError(place="nodes", detail=f'{nodes!r} are no nodes; write {{"alice": alice, "bob": bob}}')
    references = _References(base)
    written: dict[str, object] = {name: references.node(name, node) for name, node in nodes.items()}
    data = {"version": 1, **settings, "nodes": written, "links": _links(links)}
    return Built(data, (*references.roots, *_own_path()), references.cells.files())


def of_running(place: str, program: ProgramLike, base: Path, path: Iterable[str]) -> dict[str, Any]:
    """What a configuration calls a program, for nodes that run already and import from `base` and `path`.

    A function of a module that they cannot import is found by its file. Raises ConfigError for one from a cell, whose
    file was written when the run began.
    """
    references = _References(base, (str(base.resolve()), *path))
    written = references.program(place, program)
    if references.cells.files():
        detail = f"{program!r} is from a cell, and the nodes that run know only what was there when the run began"
        raise ConfigError(place=place, detail=detail)
    return written


# --- functions -----------------------------------------------------------------------------------------------------


class _References:
    """Turns functions into what a configuration calls them, and remembers what that takes.

    `path`: the only folders that modules can be imported from; None: that is still to be said.
    """

    def __init__(self, base: Path, path: tuple[str, ...] | None = None) -> None:
        self._base = base.resolve()
        self._path = path
        self.roots: list[str] = []
        self.cells = Cells()

    def node(self, name: str, node: NodeLike) -> object:
        match node:
            case None:
                return {}
            case str():
                return {"program": node}
            case Mapping():
                return self._node_mapping(name, node)
        return {"programs": {"main": self._program(f"nodes.{name}", node)}}

    def _node_mapping(self, name: str, node: Mapping[str, object]) -> dict[str, object]:
        """A configuration's mapping, in which functions and Programs may stand for what names them."""
        written = dict(node)
        short = written.get("program")
        if short is not None and not isinstance(short, str):
            args = written.pop("args", None)
            program = self._program(f"nodes.{name}.program", short)
            if isinstance(args, Mapping):
                program["args"] = {**program["args"], **args}
            del written["program"]
            written["programs"] = {"main": program}
        programs = written.get("programs")
        if isinstance(programs, Mapping):
            written["programs"] = {
                key: self._of_programs(f"nodes.{name}.programs.{key}", value) for key, value in programs.items()
            }
        return written

    def _of_programs(self, place: str, value: object) -> object:
        if isinstance(value, Mapping):
            run = value.get("run")
            if isinstance(run, str) or run is None:
                return value
            program = self._program(place, run)
            given = value.get("args")
            args = {**program["args"], **given} if isinstance(given, Mapping) else program["args"]
            return {**program, **value, "run": program["run"], "args": args}
        return self.program(place, value)

    def program(self, place: str, value: object) -> dict[str, Any]:
        """The mapping that means a function, a Program or a text."""
        return {"run": value} if isinstance(value, str) else self._program(place, value)

    def _program(self, place: str, program: object) -> dict[str, Any]:
        args: dict[str, object] = {}
        service = False
        if isinstance(program, Program):
            args, service, program = program.args, program.service, program.function
        while isinstance(program, functools.partial):
            if program.args:
                raise ConfigError(
                    place=place, detail="give the arguments of a functools.partial by name; the first is the node"
                )
            args = {**program.keywords, **args}
            program = program.func
        written: dict[str, Any] = {"run": self._reference(place, program), "args": args}
        return {**written, "service": True} if service else written

    def _reference(self, place: str, function: object) -> str:
        """`file.py:function` or `package.module:function`, which finds it in any process."""
        problem = _refusal(function)
        if problem is not None:
            raise ConfigError(place=place, detail=problem)
        assert inspect.isfunction(function)  # as _refusal has seen
        if is_cell(function):
            return self.cells.add(function, place)
        if _is_displaced(function):
            return self._in_file(Path(function.__globals__["__file__"]).resolve(), function)
        module = sys.modules[function.__module__]
        name = _importable_name(module)
        file = _file_of(module)
        if file is None:
            return f"{name}:{function.__qualname__}"
        root = _root_of(name, file, is_package=hasattr(module, "__path__"))
        if root is None or not _is_imported_from(root, name):
            return self._in_file(file, function)
        if self._path is not None and not is_installed(root) and str(root) not in self._path:
            return self._in_file(file, function)
        if not is_installed(root) and str(root) not in self.roots:
            self.roots.append(str(root))
        return f"{name}:{function.__qualname__}"

    def _in_file(self, file: Path, function: FunctionType) -> str:
        where = file.relative_to(self._base) if file.is_relative_to(self._base) else file
        return f"{where.as_posix()}:{function.__qualname__}"


def _refusal(function: object) -> str | None:
    """Why a value cannot be a program, and what to do; None if it can."""
    if inspect.ismethod(function):
        return f"{function.__qualname__} is a method of an object that only this process has; make it a static method"
    if not inspect.isfunction(function):
        return f"{function!r} is no program; give an `async def` that takes a Node, or 'file.py:function'"
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    name = function.__qualname__
    if function.__name__ == "<lambda>":
        return f"a lambda ({where}) cannot travel to another process; write an `async def` at the top of a module"
    if "<locals>" in name:
        return (
            f"{name.rpartition('.')[2]} ({where}) is defined inside {name.partition('.<locals>')[0]}, where other"
            " processes cannot find it; move it to the top of the module, and pass what it takes from around it as"
            " arguments: Program(function, name=value)"
        )
    if not inspect.iscoroutinefunction(function):
        return f"{name} ({where}) must be an `async def` that takes a Node"
    module = sys.modules.get(function.__module__)
    in_place = module is not None and found_in(module, name) is function
    if not (in_place or is_cell(function) or _is_displaced(function)):
        return (
            f"{function.__module__} has another {name} now than the one given ({where}), and the nodes would find"
            " that one; give the one that the module has"
        )
    return None


def _is_displaced(function: FunctionType) -> bool:
    """Whether its module had to make room for another of the same name, as pytest lets one conftest.py do for the next.

    Then it is found by its file.
    """
    own, module = function.__globals__, sys.modules.get(function.__module__)
    if (module is not None and vars(module) is own) or not str(own.get("__file__")).endswith(".py"):
        return False
    return found_in(SimpleNamespace(**own), function.__qualname__) is function


def found_in(module: ModuleType | SimpleNamespace, name: str) -> object:
    """What a dotted name means in a module; None if it is not there."""
    found: object = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None) if isinstance(found, type) else getattr(found, part, None)
        if isinstance(found, staticmethod):
            found = found.__func__
    return found


def _importable_name(module: ModuleType) -> str:
    """The name under which another process imports it: that of `python -m package.module` is not `__main__`."""
    spec = getattr(module, "__spec__", None)
    return module.__name__ if spec is None else str(spec.name)


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file is not None and file.endswith(".py") else None


def _root_of(name: str, file: Path, *, is_package: bool) -> Path | None:
    """The folder from which a package, or a module inside one, is imported; None for a module that stands alone."""
    parts = [*name.split("."), "__init__"] if is_package else name.split(".")
    tail = file.with_suffix("").parts[-len(parts) :]
    return file.parents[len(parts) - 1] if len(parts) > 1 and list(tail) == parts else None


def _is_imported_from(root: Path, name: str) -> bool:
    """Whether an import finds it there: where folders need no `__init__.py`, an installed package comes first."""
    top = name.partition(".")[0]
    spec = find_module(top, [str(root), *sys.path])
    return spec is not None and str(root / top) in (spec.submodule_search_locations or ())


def _own_path() -> list[str]:
    """Where this process imports from, besides what is installed: programs that it can import, nodes can too."""
    folders = [Path(entry).resolve() for entry in sys.path]
    return [str(folder) for folder in dict.fromkeys(folders) if folder.is_dir() and not is_installed(folder)]


# --- links ---------------------------------------------------------------------------------------------------------


def _links(links: Iterable[LinkLike] | Mapping[str, object]) -> dict[str, object]:
    if isinstance(links, Mapping):
        return dict(links)
    if not isinstance(links, Iterable):
        raise ConfigError(place="links", detail=f'{links!r} are no links; write [("alice", "bob", "10 km")]')
    written: dict[str, object] = {}
    for nth, link in enumerate(links):
        name, value = _link(f"links[{nth}]", link)
        written[_new(name, written)] = value
    return written


def _link(place: str, link: object) -> tuple[str, object]:
    match link:
        case Mapping():
            return "link", dict(link)
        case (str(a), str(b)):
            return f"{a}-{b}", {"between": [a, b]}
        case (str(a), str(b), str(length)):
            return f"{a}-{b}", {"between": [a, b], "length": length}
        case (str(a), str(b), Mapping() as more):
            return f"{a}-{b}", {"between": [a, b], **more}
    raise ConfigError(
        place=place,
        detail=f"{link!r} is no link; write ('alice', 'bob'), ('alice', 'bob', '10 km') or a mapping such as"
        " {'chain': ['alice', 'bob'], 'length': '10 km'}",
    )


def _new(name: str, taken: Mapping[str, object]) -> str:
    numbered = name
    nth = 1
    while numbered in taken:
        nth += 1
        numbered = f"{name}-{nth}"
    return numbered


# --- a file of programs --------------------------------------------------------------------------------------------


def network_of(file: Path) -> dict[str, object]:
    """The network that a Python file means, in the form of a configuration. The file is read and not executed.

    Every top-level `async def` whose first parameter is annotated `Node`, or called `node`, is a node of that name;
    not those whose name begins with an underscore, nor those that need more than a node.

    Raises:
        ConfigError: If it cannot be read, is not Python, or has no such function.
    """
    try:
        body = parse(file).body
    except Unreadable as error:
        place = f"{file}, line {error.line}" if error.line else str(file)
        raise ConfigError(place=place, detail=f"this {error.reason}") from None
    functions = [one for one in body if isinstance(one, ast.AsyncFunctionDef)]
    names = list(dict.fromkeys(function.name for function in functions if is_program(function)))
    if not names:
        raise ConfigError(place=str(file), detail=_no_programs(functions))
    links = {"all": {"complete": names}} if len(names) > 1 else {}
    nodes = {name: {"program": f"{file.name}:{name}"} for name in names}
    return {"version": 1, "name": file.stem, "nodes": nodes, "links": links}


def is_program(function: ast.AsyncFunctionDef) -> bool:
    """Whether a function can be started with a node and nothing else."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if function.name.startswith("_") or not positional or not _is_node(positional[0]):
        return False
    needed = len(positional) - len(arguments.defaults) > 1 or any(one is None for one in arguments.kw_defaults)
    return not needed


def _is_node(argument: ast.arg) -> bool:
    match argument.annotation:
        case ast.Name(id="Node") | ast.Attribute(attr="Node"):
            return True
        case ast.Constant(value=str(text)):
            return text.rpartition(".")[2] == "Node"
    return argument.arg == "node"


def _no_programs(functions: list[ast.AsyncFunctionDef]) -> str:
    sentence = "no top-level function is a node; write `async def alice(node: Node) -> ...`"
    if functions:
        names = ", ".join(function.name for function in functions)
        sentence += f" with defaults for whatever else it takes (there are: {names})"
    return sentence
