"""The pytest plugin: networks in tests. docs/testing.md is its tutorial.

PYTEST_DONT_REWRITE. Every `pytest` in this environment imports this module, in projects that have nothing to do with
networks too: what it needs for a test that uses it is imported by that test. That is why it stands here and not in
`orchestrator`, whose name a project may have for a package of its own.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from orchestrator.cluster import Cluster
    from orchestrator.run import Run
    from orchestrator.tested import Case, Session

_MARKER: Final = """\
qnode(file | mapping, nodes={...}, links=[...], seed=..., ...): the network of the test's fixture `net`: a file (its \
path begins in the folder of the test file), a mapping as in such a file, or what Cluster(...) takes"""
_OURS: Final = "_qnode_case"  # the fixture behind all of ours: a stranger's that is called `net` does not ask for it
_HASHING: Final = "PYTHONHASHSEED"

_called: Final = pytest.StashKey[bool]()
_started_early: Final = pytest.StashKey[bool]()
_session: Final[pytest.StashKey[Session]] = pytest.StashKey()
_case: Final[pytest.StashKey[Case]] = pytest.StashKey()


# --- fixtures ------------------------------------------------------------------------------------------------------


@pytest.fixture
def net(request: pytest.FixtureRequest, _qnode_case: Case) -> Cluster:
    """The network of the test's marker `@pytest.mark.qnode(...)`: a Cluster, ready to run."""
    from qnode.errors import ConfigError  # lazy: who has no network needs nothing of ours

    marker = request.node.get_closest_marker("qnode")
    if marker is None:
        sentence = 'the fixture `net` needs a network: @pytest.mark.qnode(nodes={"alice": alice}) or a file\'s path'
        pytest.fail(f"{request.node.name}: {sentence}; several networks come from the fixture `qnode_cluster`", False)
    try:
        return _qnode_case.cluster_of_marker(*marker.args, **marker.kwargs)
    except ConfigError as error:
        pytest.fail(f"@pytest.mark.qnode of {request.node.name}: {error}", pytrace=False)


@pytest.fixture
def qnode_cluster(_qnode_case: Case) -> Callable[..., Cluster]:
    """Makes networks in a test, of what `@pytest.mark.qnode` takes: `net = qnode_cluster("net.yaml")`."""
    return _qnode_case.cluster


@pytest.fixture
def golden(_qnode_case: Case) -> Callable[..., None]:
    """Compares the event log of a run with the one that was kept: `golden(run)`, `golden(run, "name")`."""
    from orchestrator.golden import Golden  # lazy: as above

    def compare(run: Run, name: str = "") -> None:
        __tracebackhide__ = True
        golden_log = Golden(_qnode_case.golden_path(name), _qnode_case.command())
        golden_log.compare(run, update=_qnode_case.session.update)

    return compare


@pytest.fixture
def _qnode_case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if not _has_orchestrator():
        pytest.fail("qnode needs its package `orchestrator`, and another one of that name hides it here", pytrace=False)
    from orchestrator import tested  # lazy: as above; 0.3 s

    config = request.config
    session = config.stash.get(_session, None)
    if session is None:
        session = config.stash[_session] = tested.Session(config)
    case = request.node.stash[_case] = tested.Case(request.node, session)
    yield case
    case.stop()


def _has_orchestrator() -> bool:
    """Whether the package that has this name is ours: it stands beside this one."""
    found = find_spec("orchestrator")
    ours = os.path.join(os.path.dirname(os.path.dirname(__file__)), "orchestrator", "__init__.py")
    return found is not None and os.path.realpath(found.origin or "") == os.path.realpath(ours)


# --- async tests ---------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, trylast=True)  # inside of pytest-asyncio's, which looks for its own marker
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class) -> Generator[None, Any, Any]:
    collected = yield
    if collector.config.pluginmanager.hasplugin("asyncio"):
        for item in collected if isinstance(collected, list) else [collected]:
            if _is_async(item) and _is_ours(item) and not _has_a_runner(item):
                item.add_marker("asyncio")
    return collected


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    plugins = pyfuncitem.config.pluginmanager
    if (
        _is_async(pyfuncitem)
        and _is_ours(pyfuncitem)
        and not (plugins.hasplugin("asyncio") or _has_a_runner(pyfuncitem))
    ):
        sentence = "this test is an `async def`, and only a plugin can run it: python -m pip install pytest-asyncio"
        pytest.fail(f"{sentence}; or write `def`, and `net.run_sync()` for `await net.run()`", pytrace=False)


def _is_async(item: object) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    inner = getattr(getattr(item.obj, "hypothesis", None), "inner_test", None)  # what pytest-asyncio runs, too
    return inspect.iscoroutinefunction(item.obj) or inspect.iscoroutinefunction(inner)


def _is_ours(item: pytest.Function) -> bool:
    return item.get_closest_marker("qnode") is not None or _OURS in item.fixturenames


def _has_a_runner(item: pytest.Function) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("asyncio", "anyio", "trio"))


# --- reports -------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        item.stash[_called] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    case = item.stash.get(_case, None)
    if case is None:
        return report
    case.failed = case.failed or report.failed
    if report.when == "call" and not item.stash.get(_called, False):
        return report  # of a subtest, while the test goes on
    item.stash[_called] = False
    if case.failed and not case.is_told:
        case.is_told = True
        told = case.told()
        if told:
            title = f"qnode: {item.name}"
            add = getattr(report.longrepr, "addsection", None)  # stands right below the traceback
            if add is None:
                report.sections.append((title, told))
            else:
                add(title, told, "-")
    if report.when == "teardown":
        case.close()
        del item.stash[_case]
    return report


def pytest_report_header(config: pytest.Config) -> str | None:
    parts = []
    if config.option.qnode_seed is not None:
        parts.append(f"seed {config.option.qnode_seed}")
    parts += [name for name in ("inline", "update", "keep") if config.getoption(f"qnode_{name}")]
    return f"qnode: {', '.join(parts)}" if parts else None


# --- the session ---------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("qnode", "networks in tests")
    group.addoption("--qnode-seed", type=int, metavar="N", help="the seed of runs that the test gives none")
    for name, what in {
        "inline": "run every network in this process, for a debugger (--pdb, breakpoint()); the same outcome",
        "update": "write golden event logs instead of comparing with them",
        "keep": "keep the runs of passing tests too, in .qnode/runs",
    }.items():
        group.addoption(f"--qnode-{name}", action="store_true", help=what)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """In one process, sets of text must have the order that they have in nodes: Python decides that when it starts."""
    if not config.option.qnode_inline or os.environ.get(_HASHING) == "0":
        return
    if tuple(config.invocation_params.args) != tuple(sys.argv[1:]):
        raise pytest.UsageError(f"--qnode-inline: start this program with {_HASHING}=0 in its environment")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)  # a debugger reads what is typed
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _HASHING: "0"})


def pytest_collection_finish(session: pytest.Session) -> None:
    """The forkserver imports what nodes need while this process imports what a Cluster needs."""
    option = session.config.option
    ours = any(isinstance(item, pytest.Function) and _OURS in item.fixturenames for item in session.items)
    if option.collectonly or option.qnode_inline or not ours or not _has_orchestrator():
        return
    from orchestrator.launch import early  # lazy: as above

    session.config.stash[_started_early] = True
    early.start_early()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash.get(_session, None)
    if session is not None:
        session.close()
    if config.stash.get(_started_early, False):
        from orchestrator.launch import early  # lazy: as above

        early.forget()  # no test may have wanted it, and the process that called pytest.main may go on for long
