"""A good file, and changes that break it, with everything that is to be said about each."""

# ruff: noqa: E501  sentences are compared as they are read, in one piece

from __future__ import annotations

from typing import Final

# The file that every case changes in one place.
GOOD: Final = """\
version: 1
name: two
seed: 1
clock: virtual
kinds:
  end: {qubits: 8, t1: 10 s, t2: 1 s, gates: {single: {duration: 1 us, error: 0.001}, measure: {readout: {p01: 1 %}}}}
nodes:
  alice: {kind: end, program: "teleport.py:alice", args: {theta: 0.3}}
  bob: {kind: end, programs: {main: {run: "pkg.teleport:bob"}, echo: {run: "echo.py:main", service: true}}}
  r[0..3]: {qubits: 4}
links:
  short: {between: [alice, bob], length: 10 km, source: {model: werner, fidelity: 0.98}}
  spine: {chain: [bob, "r[0..3]"], length: 5 km}
classical: {delay: along_links}
observe: {received: [fidelity, {fidelity: phi+}, {fidelity: sent}]}
"""


class Case:
    """A change, and the problems that come of it: `line:column: key: sentence`."""

    def __init__(self, what: str, instead: str, *problems: str) -> None:
        self.what = what
        self.instead = instead
        self.problems = problems

    @property
    def text(self) -> str:
        """The broken file."""
        if self.what not in GOOD:
            raise AssertionError(f"{self.what!r} is not in the file")
        return GOOD.replace(self.what, self.instead, 1)


BROKEN: Final = [
    Case(
        "version: 1",
        "version: 2",
        "1:10: version: 2 is not a version that this program reads; write version: 1",
    ),
    Case(
        "version: 1\n",
        "",
        "1:1: version: is missing",
    ),
    Case(
        "name: two",
        "nam: two",
        "2:1: nam: unknown key (did you mean 'name'?); allowed here: name, until, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "name: two",
        'name: ""',
        "2:1: name: must not be empty",
    ),
    Case(
        "name: two",
        "name: 2",
        "2:7: name: must be text, not 2; a number that is meant as a name goes into quotes",
    ),
    Case(
        "seed: 1",
        "seed: one",
        "3:7: seed: must be a whole number, not 'one'",
    ),
    Case(
        "seed: 1",
        "seed: -1",
        "3:7: seed: must be at least 0, not -1",
    ),
    Case(
        "seed: 1",
        "seed: true",
        "3:7: seed: must be a whole number, not True",
    ),
    Case(
        "seed: 1",
        "until: 0 s",
        "3:8: until: must be at least 1 ns; leave it out to run until every program has returned",
    ),
    Case(
        "seed: 1",
        "until: 10",
        "3:8: until: 10 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "seed: 1",
        "formalism: stabiliser",
        "3:12: formalism: must be 'auto', 'stabilizer', 'state_vector', 'density_matrix' or 'bell_diagonal', not 'stabiliser' (did you mean 'stabilizer'?)",
    ),
    Case(
        "seed: 1",
        "formalism: bell_diagonal",
        "3:12: formalism: bell_diagonal holds no relaxation, and alice has a t1; leave that out, or use auto",
    ),
    Case(
        "seed: 1\nclock: virtual\nkinds:\n  end: {qubits: 8, t1: 10 s, t2: 1 s,",
        "formalism: stabilizer\nkinds:\n  end: {qubits: 8, t1: 10 s, t2: 11 s,",
        "3:12: formalism: stabilizer holds relaxation with t2 <= t1, and alice has a longer t2, or none; use auto",
    ),
    Case(
        "seed: 1",
        "max_state_vector_qubits: 99",
        "3:26: max_state_vector_qubits: must be at most 32, not 99",
    ),
    Case(
        "seed: 1",
        "nodes_per_process: none",
        "3:20: nodes_per_process: 'none' is not a number of nodes; write a whole number from 1, or all",
    ),
    Case(
        "seed: 1",
        "nodes_per_process: 0",
        "3:20: nodes_per_process: 0 is not a number of nodes; write a whole number from 1, or all",
    ),
    Case(
        "seed: 1",
        "events: yes",
        "3:9: events: must be true or false, not 'yes'",
    ),
    Case(
        "clock: virtual",
        "clock: reel",
        "4:8: clock: 'reel' is not a clock; write virtual, real or {mode: ..., speed: ..., tick: ...}",
    ),
    Case(
        "clock: virtual",
        "clock: {mode: reel}",
        "4:15: clock.mode: must be 'virtual' or 'real', not 'reel' (did you mean 'real'?)",
    ),
    Case(
        "clock: virtual",
        "clock: {mode: real, speed: 0}",
        "4:28: clock.speed: must be more than 0, not 0",
    ),
    Case(
        "clock: virtual",
        "clock: {speed: 2}",
        "4:16: clock.speed: only the real clock has a speed; the virtual one runs as fast as it can",
    ),
    Case(
        "clock: virtual",
        "clock: {mode: real, tick: 1 us}",
        "4:27: clock.tick: only the virtual clock has a tick",
    ),
    Case(
        "clock: virtual",
        "clock: {tick: 0.1 ns}",
        "4:15: clock.tick: must be at least 1 ns",
    ),
    Case(
        "qubits: 8",
        "qubit: 8",
        "6:9: kinds.end.qubit: unknown key (did you mean 'qubits'?); allowed here: hardware, qubits, cutoff, communication, memory, gate_set, parallel, limits",
    ),
    Case(
        "qubits: 8",
        "qubits: 0",
        "6:17: kinds.end.qubits: must be at least 1, not 0",
    ),
    Case(
        "qubits: 8",
        "qubits: 8.5",
        "6:17: kinds.end.qubits: must be a whole number, not 8.5",
    ),
    Case(
        "qubits: 8",
        'qubits: "8"',
        "6:17: kinds.end.qubits: must be a whole number, not '8'",
    ),
    Case(
        "t1: 10 s",
        "t1: 10",
        "6:24: kinds.end.t1: 10 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "t1: 10 s",
        "t1: 0 s",
        "6:24: kinds.end.t1: must be longer than 0; leave it out for a memory that never decays",
    ),
    Case(
        "t2: 1 s",
        "t2: 21 s",
        "6:34: kinds.end.t2: t2 (21 s) cannot be longer than twice t1 (10 s): decay also dephases",
    ),
    Case(
        "duration: 1 us",
        "duration: 1 km",
        "6:66: kinds.end.gates.single.duration: '1 km': 'km' is not a unit of time; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "duration: 1 us",
        "duration: -1 us",
        "6:66: kinds.end.gates.single.duration: '-1 us': a time cannot be negative",
    ),
    Case(
        "error: 0.001",
        "error: 1.5",
        "6:79: kinds.end.gates.single.error: 1.5 is outside [0, 1]",
    ),
    Case(
        "error: 0.001",
        "error: 0.7",
        "6:79: kinds.end.gates.single.error: 0.7 is more than full depolarisation allows (0.6667)",
    ),
    Case(
        "p01: 1 %",
        "p11: 1 %",
        "6:107: kinds.end.gates.measure.readout.p11: unknown key (did you mean 'p10'?); allowed here: p01, p10",
    ),
    Case(
        "alice: {kind: end,",
        "alice: {kind: ends,",
        "8:17: nodes.alice.kind: no kind 'ends' (did you mean 'end'?); known kinds: end",
    ),
    Case(
        "alice: {kind: end,",
        "alice: {kind: end, t2: 30 s,",
        "8:26: nodes.alice.t2: t2 (30 s) cannot be longer than twice t1 (10 s): decay also dephases",
    ),
    Case(
        "  alice: {",
        "  al.ice: {",
        "8:3: nodes.al.ice: 'al.ice' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  al~ice: {",
        "8:3: nodes.al~ice: 'al~ice' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  al ice: {",
        "8:3: nodes.al ice: 'al ice' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  -alice: {",
        "8:3: nodes.-alice: '-alice' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  álice: {",
        "8:3: nodes.álice: 'álice' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  アリス: {",
        "8:3: nodes.アリス: 'アリス' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
        "12:21: links.short.between[0]: no node 'alice'; there are: bob, r0, r1, r2, r3",
    ),
    Case(
        "  alice: {",
        "  oracle: {",
        "8:3: nodes.oracle: 'oracle' cannot be a node's name: a process of the emulator is called so",
        "12:21: links.short.between[0]: no node 'alice'; there are: bob, r0, r1, r2, r3",
    ),
    Case(
        "r[0..3]: {",
        "r[3..0]: {",
        "10:3: nodes.r[3..0]: 'r[3..0]' counts down; write [0..3]",
    ),
    Case(
        "r[0..3]: {",
        "r[0..x]: {",
        "10:3: nodes.r[0..x]: 'r[0..x]' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "  alice: {",
        "  r2: {}\n  alice: {",
        "11:3: nodes.r[0..3]: node 'r2' is already there, from 'r2'",
    ),
    Case(
        "teleport.py:alice",
        "teleport.py",
        "8:31: nodes.alice.program: 'teleport.py' does not name a program; write 'file.py:function' or 'package.module:function'",
    ),
    Case(
        "teleport.py:alice",
        "teleport:1alice",
        "8:31: nodes.alice.program: 'teleport:1alice' does not name a program; write 'file.py:function' or 'package.module:function'",
    ),
    Case(
        "pkg.teleport:bob",
        "pkg/teleport:bob",
        "9:43: nodes.bob.programs.main.run: 'pkg/teleport:bob' does not name a program; write 'file.py:function' or 'package.module:function'",
    ),
    Case(
        "service: true",
        "service: 1",
        "9:101: nodes.bob.programs.echo.service: must be true or false, not 1",
    ),
    Case(
        "args: {theta: 0.3}",
        "args: [0.3]",
        "8:58: nodes.alice.args: must be a mapping of keys to values, not [0.3]",
    ),
    Case(
        "args: {theta: 0.3}",
        "args: {the-ta: 0.3}",
        "8:59: nodes.alice.args.the-ta: 'the-ta' cannot be an argument's name; use a Python identifier",
    ),
    Case(
        'program: "teleport.py:alice", ',
        "",
        "8:22: nodes.alice.args: `args` belongs to `program`; inside `programs` each program has its own `args`",
    ),
    Case(
        "args: {theta: 0.3}",
        "programs: {}",
        "8:31: nodes.alice.program: `program` is short for `programs: {main: {run: ...}}`; use one of the two",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice, carol]",
        "12:28: links.short.between[1]: no node 'carol'; there are: alice, bob, r0, r1, r2, r3",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice, bo]",
        "12:28: links.short.between[1]: no node 'bo' (did you mean 'bob'?)",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice, alice]",
        "12:20: links.short.between: 'alice' cannot be linked with itself",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice]",
        "12:20: links.short.between: `between` joins two nodes, not 1; a longer line of nodes is a `chain`",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice, bob, r0]",
        "12:20: links.short.between: `between` joins two nodes, not 3; a longer line of nodes is a `chain`",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alice, 1]",
        "12:28: links.short.between[1]: must be text, not 1; a number that is meant as a name goes into quotes",
    ),
    Case(
        "between: [alice, bob]",
        "between: 5",
        "12:20: links.short.between: must be a list, not 5",
    ),
    Case(
        "between: [alice, bob]",
        "ring: [alice, bob]",
        "12:17: links.short.ring: a ring needs at least 3 nodes, not 2",
    ),
    Case(
        "between: [alice, bob]",
        "grid: {nodes: [alice, bob, r0], columns: 2}",
        "12:11: links.short.grid: 3 nodes do not fill a grid of 2 columns: its last row would be incomplete",
    ),
    Case(
        "between: [alice, bob]",
        "grid: {nodes: [alice, bob]}",
        "12:11: links.short.grid.columns: is missing",
    ),
    Case(
        "between: [alice, bob]",
        "tree: {nodes: [alice, bob], branching: 0}",
        "12:50: links.short.tree.branching: must be at least 1, not 0",
    ),
    Case(
        "between: [alice, bob]",
        "random: {nodes: [alice, bob], probability: 2}",
        "12:54: links.short.random.probability: 2 is outside [0, 1]",
    ),
    Case(
        "between: [alice, bob]",
        "chain: [alice, bob], between: [alice, bob]",
        "12:3: links.short: a link needs exactly one of between, chain, ring, star, complete, grid, tree, random; it has between and chain",
    ),
    Case(
        "between: [alice, bob], ",
        "",
        "12:3: links.short: a link needs exactly one of between, chain, ring, star, complete, grid, tree, random; it has none",
    ),
    Case(
        "between: [alice, bob]",
        "chain: [alice, bob, alice]",
        "12:18: links.short.chain: joins the same two nodes twice; name each node once",
    ),
    Case(
        'chain: [bob, "r[0..3]"]',
        "chain: [r0, bob, alice]",
        "13:18: links.spine.chain: 'bob' and 'alice' are already joined by link 'short'; keep one link between two nodes",
    ),
    Case(
        'chain: [bob, "r[0..3]"]',
        "chain: [bob, r[0..3]]",
        "13:25: did not find expected ',' or ']'; inside [...] or {...} a range needs quotes, such as \"r[0..9]\"",
    ),
    Case(
        "length: 10 km",
        "length: 10",
        "12:42: links.short.length: 10 needs a unit; write a number and one of m, km, cm, mm, um, nm",
    ),
    Case(
        "length: 10 km",
        "length: -1 km",
        "12:42: links.short.length: '-1 km': a length cannot be negative",
    ),
    Case(
        "length: 10 km",
        "lenght: 10 km",
        "12:34: links.short.lenght: unknown key (did you mean 'length'?); allowed here: chain, ring, star, complete, grid, tree, random, length, delay, attenuation, fidelity, photons",
    ),
    Case(
        "length: 10 km",
        "length: 10 km, delay: 1 us",
        "12:56: links.short.delay: 1000 ns is less than light needs for 10000 m (33356 ns); leave it out for the delay of fibre, 50035 ns",
    ),
    Case(
        "length: 10 km",
        "length: 10 km, attenuation: 0.2 dB",
        "12:62: links.short.attenuation: '0.2 dB': 'dB' is not a unit of attenuation; write a number and one of dB/km, dB/m",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: wernher, fidelity: 1}",
        "12:65: links.short.source.model: 'wernher' is not a model; allowed: 'perfect', 'werner', 'bell_diagonal', 'density_matrix', 'single_click', 'double_click', 'midpoint_source' (did you mean 'werner'?)",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{coupling: 1}",
        "12:49: links.short.source: needs a `model`, such as source: {model: perfect}, or the `fidelity` of a Werner pair",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner, fidelity: 1.1}",
        "12:83: links.short.source.fidelity: 1.1 is outside [0, 1]",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner}",
        "12:49: links.short.source.fidelity: is missing",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: single_click}",
        "12:49: links.short.source.bright_state: is missing",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: bell_diagonal, phi_plus: 0.9}",
        "12:49: links.short.source: phi_plus, phi_minus, psi_plus and psi_minus sum to 0.9; probabilities sum to 1",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: midpoint_source, mean_pairs: 0}",
        "12:94: links.short.source.mean_pairs: must be more than 0, not 0",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner, fidelity: 0.98}, fidelity: 1",
        "12:100: links.short.fidelity: `fidelity: F` is short for `source: {model: werner, fidelity: F}`; use one of the two",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner, fidelity: 0.98, success_probability: 0}",
        "12:110: links.short.source.success_probability: must be more than 0; leave it out for a source that never fails",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: single_click, bright_state: [0.1, 0.2, 0.3]}",
        "12:93: links.short.source.bright_state: one probability for both ends, or a list of two, one for each; not 3",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: single_click, bright_state: [0.1, 2]}",
        "12:93: links.short.source.bright_state: 2 is outside [0, 1]",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: single_click, bright_state: 0}",
        "12:49: links.short.source: no attempt could ever succeed: neither a photon nor a dark click can herald a pair",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: single_click, bright_state: 0.1, detector: 1e-20}",
        "12:49: links.short.source: an attempt succeeds with 2e-21: no pair would come in 292 years of network time",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: double_click, station: 11 km}",
        "12:88: links.short.source.station: 11000 m from the first end is beyond the other, 10000 m away",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: double_click, jitter: 1 ns}",
        "12:87: links.short.source.jitter: photons that are as short as can be never meet if they jitter; give their `lifetime`, too",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: double_click, resolution: 1 ns}",
        "12:91: links.short.source.resolution: matters for clicks that are counted in a window only; give `window`, too",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: double_click, encoding: polarisation, bins: 1 us}",
        "12:109: links.short.source.bins: only time bins come one after another",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: double_click, encoding: time}",
        "12:89: links.short.source.encoding: must be 'time_bin' or 'polarisation', not 'time' (did you mean 'time_bin'?)",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: density_matrix, matrix: [[1, 0], [0, 0]]}",
        "12:89: links.short.source.matrix: must be four rows of four numbers each",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: density_matrix, matrix: [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]}",
        "12:89: links.short.source.matrix: is no state: it must be Hermitian, of trace 1, and without negative eigenvalues (to 1e-9)",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: density_matrix, matrix: [[1, 0, 0, x], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]}",
        "12:89: links.short.source.matrix: 'x' is not a complex number; write it like 0.5, 0.1-0.2i or 0.2i",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner, fidelity: 0.98}, attenuation: 0.2 dB/km",
        "12:103: links.short.attenuation: pairs of model werner have no photons to lose; say source: {success_probability: ...}, losses included, or take a model with photons: single_click, double_click or midpoint_source",
    ),
    Case(
        "delay: along_links",
        "delay: along_link",
        "14:20: classical.delay: 'along_link' is not a time; write a number and one of s, ms, us, ns, ps, min, h, day; or along_links, or {matrix: file.csv}",
    ),
    Case(
        "delay: along_links",
        "delay: 5",
        "14:20: classical.delay: 5 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day; or along_links, or {matrix: file.csv}",
    ),
    Case(
        "delay: along_links",
        "delay: {file: x.csv}",
        "14:21: classical.delay.file: unknown key; allowed here: matrix",
    ),
    Case(
        "{fidelity: phi+}",
        "{fidelity: Phi+}",
        "15:43: observe.received[1].fidelity: 'Phi+' is neither a named state (0 1 + - i -i phi+ phi- psi+ psi-) nor the name of a mark",
    ),
    Case(
        "{fidelity: phi+}",
        "purity",
        "15:32: observe.received[1]: 'purity' cannot be observed; write fidelity or {fidelity: phi+}",
    ),
    Case(
        "[fidelity, {fidelity: phi+}, {fidelity: sent}]",
        "fidelity",
        "15:21: observe.received: must be a list of what to evaluate, such as [fidelity] or [{fidelity: phi+}]",
    ),
    Case(
        "seed: 1",
        "seed: 1\nseed: 2",
        "4:1: key 'seed' is already there, in line 3",
    ),
    Case(
        "qubits: 8",
        "qubits: 8, qubits: 9",
        "6:20: key 'qubits' is already there, in line 6",
    ),
    Case(
        "seed: 1",
        "? [a]\n: 1",
        "3:3: a key must be text",
    ),
    Case(
        "seed: 1",
        "seed: !!python/object:os.system 1",
        "3:7: tag !!python/object:os.system is not allowed here",
    ),
    Case(
        "seed: 1",
        "seed: !!int soon",
        "3:7: 'soon' is not a number that can be read",
    ),
    Case(
        "seed: 1",
        "seed: !!bool soon",
        "3:7: 'soon' is neither true nor false",
    ),
    Case(
        "seed: 1",
        "seed: *nobody",
        "3:7: found undefined alias",
    ),
    Case(
        "seed: 1",
        "seed: [1",
        "4:6: did not find expected ',' or ']'",
    ),
    Case(
        "seed: 1",
        "\tseed: 1",
        "3:1: found a tab character that violates indentation",
    ),
    Case(
        "seed: 1",
        "--- 1",
        "3:1: expected a single document in the stream, but found another document",
    ),
    Case(
        "version: 1",
        "version: '1'",
        "1:10: version: '1' is not a version that this program reads; write version: 1",
    ),
    Case(
        "version: 1",
        "versoin: 1",
        "1:1: versoin: unknown key (did you mean 'version'?); allowed here: version, until, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "name: two",
        'name: "a\\tb"',
        "2:7: name: must be one line without tabs, not 'a\\tb'",
    ),
    Case(
        "name: two",
        "nodes_per_proces: 2",
        "2:1: nodes_per_proces: unknown key (did you mean 'nodes_per_process'?); allowed here: name, until, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "clock: virtual",
        "clock: [virtual]",
        "4:8: clock: ['virtual'] is not a clock; write virtual, real or {mode: ..., speed: ..., tick: ...}",
    ),
    Case(
        "clock: virtual",
        "clock: {mode: reel, speed: 2}",
        "4:15: clock.mode: must be 'virtual' or 'real', not 'reel' (did you mean 'real'?)",
    ),
    Case(
        "clock: virtual",
        "clok: virtual",
        "4:1: clok: unknown key (did you mean 'clock'?); allowed here: clock, until, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "kinds:",
        "kind:",
        "5:1: kind: unknown key (did you mean 'kinds'?); allowed here: until, kinds, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "qubits: 8",
        "qubits: 2, qubit: 8",
        "6:20: kinds.end.qubit: unknown key (did you mean 'qubits', which is already there?); allowed here: hardware, cutoff, communication, memory, gate_set, parallel, limits",
    ),
    Case(
        "t1: 10 s",
        "t1: ten seconds",
        "6:24: kinds.end.t1: 'ten seconds' is not a time; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "t1: 10 s, t2: 1 s",
        "t1: 1, t2: 1 s",
        "6:24: kinds.end.t1: 1 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "duration: 1 us",
        "duraton: 1 us",
        "6:56: kinds.end.gates.single.duraton: unknown key (did you mean 'duration'?); allowed here: duration, dephase, flip, pauli, kraus",
    ),
    Case(
        "gates: {single",
        "gates: {singel",
        "6:47: kinds.end.gates.singel: unknown key (did you mean 'single'?); allowed here: single, two, initialise, move",
    ),
    Case(
        "nodes:\n",
        "nodes: []\nx-nodes:\n",
        "7:8: nodes: must be a mapping of keys to values, not []",
    ),
    Case(
        "nodes:\n",
        "noodes:\n",
        "7:1: noodes: unknown key (did you mean 'nodes'?); allowed here: until, nodes, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: 4",
        "10:12: nodes.r[0..3]: must be a mapping of keys to values, not 4",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..200000]: {}",
        "10:3: nodes.r[0..200000]: 'r[0..200000]' stands for 200001 names; at most 100000 are allowed",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {<<: 5}",
        "10:17: `<<` takes over the keys of a mapping, or of a list of them, not 5",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {<<: {qubits: 0}}",
        "10:26: nodes.r[0..3].qubits: must be at least 1, not 0",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {kind: ende}\n  s: {kind: nothing}",
        "10:19: nodes.r[0..3].kind: no kind 'ende' (did you mean 'end'?); known kinds: end",
        "11:13: nodes.s.kind: no kind 'nothing'; known kinds: end",
    ),
    Case(
        "alice: {kind: end,",
        "alice: {kind: [end],",
        "8:17: nodes.alice.kind: must be text, not ['end']",
    ),
    Case(
        '"teleport.py:alice"',
        "[alice]",
        "8:31: nodes.alice.program: must be text, not ['alice']",
    ),
    Case(
        'programs: {main: {run: "pkg.teleport:bob"}',
        'programs: {main: "pkg.teleport:bob"',
        "9:37: nodes.bob.programs.main: must be a mapping of keys to values, not 'pkg.teleport:bob'",
    ),
    Case(
        'run: "pkg.teleport:bob"',
        'rum: "pkg.teleport:bob"',
        "9:38: nodes.bob.programs.main.rum: unknown key (did you mean 'run'?); allowed here: run, args, service, start, stop, memories, communication",
    ),
    Case(
        'run: "pkg.teleport:bob"',
        "",
        "9:31: nodes.bob.programs.main.run: is missing",
    ),
    Case(
        "links:\n",
        "links: [a, b]\nx-links:\n",
        "11:8: links: must be a mapping of keys to values, not ['a', 'b']",
    ),
    Case(
        "links:\n",
        "link:\n",
        "11:1: link: unknown key (did you mean 'links'?); allowed here: until, links, graphs, formalism, max_state_vector_qubits, nodes_per_process, limits, stack, failures, record, faults, hosts, place, events, telemetry",
    ),
    Case(
        "between: [alice, bob]",
        "betwen: [alice, bob]",
        "12:11: links.short.betwen: unknown key (did you mean 'between'?); allowed here: between, chain, ring, star, complete, grid, tree, random, delay, attenuation, fidelity, photons",
    ),
    Case(
        "between: [alice, bob]",
        "between: [alicia, bobby]",
        "12:21: links.short.between[0]: no node 'alicia' (did you mean 'alice'?)",
        "12:29: links.short.between[1]: no node 'bobby' (did you mean 'bob'?)",
    ),
    Case(
        "between: [alice, bob]",
        'star: [alice, "r[0..5]"]',
        "12:25: links.short.star[1]: no node 'r4', nor 1 more of 'r[0..5]'; there are: alice, bob, r0, r1, r2, r3",
    ),
    Case(
        "between: [alice, bob]",
        "between: {a: alice, b: bob}",
        "12:11: links.short.between: must be a list, not {'a': 'alice', 'b': 'bob'}",
    ),
    Case(
        "between: [alice, bob]",
        'between: [alice, "r[9..7]"]',
        "12:28: links.short.between[1]: 'r[9..7]' counts down; write [7..9]",
    ),
    Case(
        "between: [alice, bob]",
        "grid: {nodes: [alice, bob], columns: 1, rows: 2}",
        "12:51: links.short.grid.rows: unknown key; nothing more is allowed here",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "werner",
        "12:57: links.short.source: must be a mapping of keys to values, not 'werner'",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: 5}",
        "12:65: links.short.source.model: '5' is not a model; allowed: 'perfect', 'werner', 'bell_diagonal', 'density_matrix', 'single_click', 'double_click', 'midpoint_source'",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: werner, fidelty: 0.9}",
        "12:73: links.short.source.fidelty: unknown key (did you mean 'fidelity'?); allowed here: attempt_dephasing, success_probability, duration, fidelity",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{model: bell_diagonal, phi_plus: 2, psi_plus: 0.2}",
        "12:90: links.short.source.phi_plus: 2 is outside [0, 1]",
    ),
    Case(
        "{model: werner, fidelity: 0.98}",
        "{modle: werner, fidelity: 0.9}",
        "12:58: links.short.source.modle: unknown key (did you mean 'model'?); allowed here: model",
    ),
    Case(
        "short: {",
        "sh ort: {",
        "12:3: links.sh ort: 'sh ort' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "classical: {delay: along_links}",
        "classical: along_links",
        "14:12: classical: must be a mapping of keys to values, not 'along_links'",
    ),
    Case(
        "delay: along_links",
        'delay: {matrix: ""}',
        "14:21: classical.delay.matrix: must not be empty",
    ),
    Case(
        "observe: {received:",
        "observe: {re ceived:",
        "15:11: observe.re ceived: 're ceived' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
    Case(
        "{fidelity: phi+}",
        "{}",
        "15:32: observe.received[1].fidelity: is missing",
    ),
    Case(
        "{fidelity: phi+}",
        "{fidelity: [phi+]}",
        "15:43: observe.received[1].fidelity: must be text, not ['phi+']",
    ),
    Case(
        "{fidelity: phi+}",
        "{fidelty: phi+}",
        "15:33: observe.received[1].fidelty: unknown key (did you mean 'fidelity'?); allowed here: fidelity",
    ),
    Case(
        "seed: 1",
        "seed: [*nobody]",
        "3:8: found undefined alias",
    ),
    Case(
        "seed: 1",
        "seed: 1 2: 3",
        "3:10: mapping values are not allowed in this context",
    ),
    Case(
        "seed: 1",
        "x-a: &a [1, *a]",
        "3:6: an alias cannot be inside of what it stands for",
    ),
    Case(
        "seed: 1",
        'seed: "1',
        "8:32: did not find expected key",
    ),
    Case(
        "seed: 1",
        "seed: 9223372036854775808",
        "3:7: seed: must be less than 9223372036854775808, not 9223372036854775808",
    ),
    Case(
        '  alice: {kind: end, program: "teleport.py:alice", args: {theta: 0.3}}',
        '  alice:\n    kind: end\n    programm: "teleport.py:alice"\n    qubits:\n      - 3',
        "10:5: nodes.alice.programm: unknown key (did you mean 'program'?); allowed here: hardware, t1, t2, cutoff, communication, memory, gates, gate_set, parallel, limits, program, args, programs, restart",
        "12:7: nodes.alice.qubits: must be a whole number, not [3]",
    ),
    Case(
        "seed: 1\nclock: virtual",
        "seed: one\nclock: virtuel\nuntil: 5",
        "3:7: seed: must be a whole number, not 'one'",
        "4:8: clock: 'virtuel' is not a clock; write virtual, real or {mode: ..., speed: ..., tick: ...}",
        "5:8: until: 5 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "qubits: 8",
        "hardware: nv_centre",
        "6:19: kinds.end.hardware: must be 'nv_center', 'trapped_ion', 'neutral_atom', 'rare_earth_ensemble' or 'telecom_qkd_terminal', not 'nv_centre' (did you mean 'nv_center'?)",
    ),
    Case(
        "qubits: 8",
        "hardware: [nv_center]",
        "6:19: kinds.end.hardware: must be 'nv_center', 'trapped_ion', 'neutral_atom', 'rare_earth_ensemble' or 'telecom_qkd_terminal', not ['nv_center'] (did you mean 'nv_center'?)",
    ),
    Case(
        "qubits: 8",
        "hardware: neutral_atom, qubits: none",
        "6:41: kinds.end.qubits: must be a whole number, not 'none'",
    ),
    Case(
        "qubits: 8",
        "qubits: 8, communication: {qubits: 1}",
        "6:17: kinds.end.qubits: `qubits` is for slots that are all alike, and there is `communication: {qubits: ...}`; use one",
    ),
    Case(
        "qubits: 8",
        "qubits: 8, memory: {qubits: 4}",
        "6:17: kinds.end.qubits: `qubits` is for slots that are all alike, and there is `memory: {qubits: ...}`; use one",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: 1}",
        "6:33: kinds.end.communication.qubits: communication slots need `memory: {qubits: ...}` beside them",
    ),
    Case(
        "qubits: 8",
        "communication: {t2: 1 ms}",
        "6:9: kinds.end.communication: there are none; say how many: `communication: {qubits: ...}`",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: -1}, memory: {qubits: 2}",
        "6:33: kinds.end.communication.qubits: must be at least 0, not -1",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: 1}, memory: {qubits: 0}",
        "6:54: kinds.end.memory.qubits: must be at least 1, not 0",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: 1, t2: 30 s}, memory: {qubits: 2}",
        "6:40: kinds.end.communication.t2: t2 (30 s) cannot be longer than twice t1 (10 s): decay also dephases",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: 1}, memory: {qubits: 2, t1: 400 ms}",
        "6:84: kinds.end.t2: t2 (1 s) cannot be longer than twice t1 (0.4 s): decay also dephases",
    ),
    Case(
        "qubits: 8",
        "communication: {qubits: 1, t1: 0 s}, memory: {qubits: 2}",
        "6:40: kinds.end.communication.t1: must be longer than 0; leave it out for a memory that never decays",
    ),
    Case(
        "qubits: 8",
        "communication: {qubit: 1}, memory: {qubits: 2}",
        "6:25: kinds.end.communication.qubit: unknown key (did you mean 'qubits'?); allowed here: qubits, t1, t2, cutoff",
    ),
    Case(
        "qubits: 8",
        "communication: 1",
        "6:24: kinds.end.communication: must be a mapping of keys to values, not 1",
    ),
    Case(
        "qubits: 8",
        "memory: [7]",
        "6:17: kinds.end.memory: must be a mapping of keys to values, not [7]",
    ),
    Case(
        "qubits: 8",
        "hardware: nv_center, qubits: 8",
        "6:38: kinds.end.qubits: `qubits` is for slots that are all alike, and here are communication slots, too; give `memory: {qubits: ...}`",
    ),
    Case(
        "t1: 10 s",
        "cutoff: 0 s",
        "6:28: kinds.end.cutoff: must be at least 1 ns; leave it out to keep halves for ever",
    ),
    Case(
        "t1: 10 s",
        "cutoff: 5",
        "6:28: kinds.end.cutoff: 5 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "t1: 10 s",
        "cut_off: 5 s",
        "6:20: kinds.end.cut_off: unknown key (did you mean 'cutoff'?); allowed here: hardware, t1, cutoff, communication, memory, gate_set, parallel, limits",
    ),
    Case(
        "error: 0.001",
        "error: 0.001, dephase: 1.2",
        "6:95: kinds.end.gates.single.dephase: 1.2 is outside [0, 1]",
    ),
    Case(
        "error: 0.001",
        "flip: -0.1",
        "6:78: kinds.end.gates.single.flip: -0.1 is outside [0, 1]",
    ),
    Case(
        "error: 0.001",
        "pauli: 0.1",
        "6:79: kinds.end.gates.single.pauli: must be a list, not 0.1",
    ),
    Case(
        "error: 0.001",
        "pauli: [0.1, 0.1]",
        "6:79: kinds.end.gates.single.pauli: takes 3 probabilities, of X, Y and Z on each qubit; not 2",
    ),
    Case(
        "error: 0.001",
        "pauli: [0.1, 0.1, much]",
        "6:90: kinds.end.gates.single.pauli[2]: 'much' is not a number; write it like 0.02 or 2 %",
    ),
    Case(
        "error: 0.001",
        "pauli: [0.5, 0.4, 0.3]",
        "6:79: kinds.end.gates.single.pauli: the probabilities sum to 1.2; they can sum to at most 1",
    ),
    Case(
        "error: 0.001",
        "error: 0.001, kraus: [[[1, 0], [0, 1]]]",
        "6:93: kinds.end.gates.single.kraus: says all that goes wrong; leave out `error` beside it",
    ),
    Case(
        "error: 0.001",
        "kraus: [[1, 0], [0, 1]]",
        "6:81: kinds.end.gates.single.kraus[0][0]: must be a list of numbers, such as [1, 0], not 1",
    ),
    Case(
        "error: 0.001",
        "kraus: identity",
        "6:79: kinds.end.gates.single.kraus: must be a list of matrices, such as [[[1, 0], [0, 0.8]], [[0, 0.6], [0, 0]]], not 'identity'",
    ),
    Case(
        "error: 0.001",
        "kraus: [[[1, 0], [0, 0.8]], [[0, 0.59], [0, 0]]]",
        "6:79: kinds.end.gates.single.kraus: the sum of K'K must be the identity to 1e-9 in each entry; it is off by 0.012",
    ),
    Case(
        "error: 0.001",
        "kraus: [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]]",
        "6:80: kinds.end.gates.single.kraus[0]: must be a matrix of 2 x 2 numbers",
    ),
    Case(
        "error: 0.001",
        "kraus: [[[1, 0], [0, 1]], [[0]]]",
        "6:98: kinds.end.gates.single.kraus[1]: must be a matrix of 2 x 2 numbers",
    ),
    Case(
        "error: 0.001",
        "kraus: [[[1, 0], [0, one]]]",
        "6:93: kinds.end.gates.single.kraus[0][1][1]: 'one' is not a complex number; write it like 0.5, 0.5+0.5j or [0.5, 0.5]",
    ),
    Case(
        "error: 0.001",
        "kraus: [[[1, 0], [0, 0.5+0.5i]]]",
        "6:93: kinds.end.gates.single.kraus[0][1][1]: '0.5+0.5i' is not a complex number; write it like 0.5, 0.5+0.5j or [0.5, 0.5]",
    ),
    Case(
        "gates: {single",
        "gates: {two: {error: 0.9}, single",
        "6:60: kinds.end.gates.two.error: 0.9 is more than full depolarisation allows (0.8)",
    ),
    Case(
        "gates: {single",
        "gates: {two: {pauli: [0.1, 0, 0, 0]}, single",
        "6:60: kinds.end.gates.two.pauli: takes 3 probabilities, of X, Y and Z on each qubit, or 15, of IX, IY, IZ, XI, ..., ZZ; not 4",
    ),
    Case(
        "gates: {single",
        "gates: {two: {kraus: [[[1, 0], [0, 1]], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]}, single",
        "6:79: kinds.end.gates.two.kraus[1]: is not as large as the first; Kraus operators are all of one size",
    ),
    Case(
        "gates: {single",
        "gates: {initialise: {error: 2}, single",
        "6:67: kinds.end.gates.initialise.error: 2 is outside [0, 1]",
    ),
    Case(
        "gates: {single",
        "gates: {initialise: {dephase: 0.1}, single",
        "6:60: kinds.end.gates.initialise.dephase: unknown key; allowed here: duration, error",
    ),
    Case(
        "gates: {single",
        "gates: {move: {duration: 1}, single",
        "6:64: kinds.end.gates.move.duration: 1 needs a unit; write a number and one of s, ms, us, ns, ps, min, h, day",
    ),
    Case(
        "gates: {single",
        "gates: {mov: {duration: 1 s}, single",
        "6:47: kinds.end.gates.mov: unknown key (did you mean 'move'?); allowed here: two, initialise, move",
    ),
    Case(
        "qubits: 8",
        "gate_set: [x, z, cnott]",
        "6:26: kinds.end.gate_set[2]: there is no gate 'cnott' (did you mean 'cnot'?); there are: x, y, z, h, s, sdg, t, tdg, sx, sxdg, rx, ry, rz, u, cnot, cz, swap, unitary",
    ),
    Case(
        "qubits: 8",
        "gate_set: []",
        "6:19: kinds.end.gate_set: must name at least one gate; leave it out for all",
    ),
    Case(
        "qubits: 8",
        "gate_set: x",
        "6:19: kinds.end.gate_set: must be a list of gates, such as [x, z, h, cnot], not 'x'",
    ),
    Case(
        "qubits: 8",
        "gate_set: [x, 1]",
        "6:23: kinds.end.gate_set[1]: there is no gate 1; there are: x, y, z, h, s, sdg, t, tdg, sx, sxdg, rx, ry, rz, u, cnot, cz, swap, unitary",
    ),
    Case(
        "qubits: 8",
        "parallel: 0",
        "6:19: kinds.end.parallel: must be at least 1, not 0",
    ),
    Case(
        "qubits: 8",
        "parallel: all",
        "6:19: kinds.end.parallel: must be a whole number, not 'all'",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {hardware: trapped_ion, qubits: 4}",
        "10:44: nodes.r[0..3].qubits: `qubits` is for slots that are all alike, and here are communication slots, too; give `memory: {qubits: ...}`",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {kind: end, communication: {qubits: 1}}",
        "10:48: nodes.r[0..3].communication.qubits: communication slots need `memory: {qubits: ...}` beside them",
    ),
    Case(
        "r[0..3]: {qubits: 4}",
        "r[0..3]: {kind: end, memory: {t2: 30 s}}",
        "10:37: nodes.r[0..3].memory.t2: t2 (30 s) cannot be longer than twice t1 (10 s): decay also dephases",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: weak_coherent, intensities: [0.5, 20]}},",
        "12:109: links.short.photons.source.intensities[1]: 20 photons on average; 0 to 16 are simulated",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: weak_coherent, intensities: []}},",
        "12:103: links.short.photons.source.intensities: needs at least 1 of them, not 0",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: laser}},",
        "12:75: links.short.photons.source.model: 'laser' is not a model; allowed: 'single_photon', 'weak_coherent', 'entangled'",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: single_photon, efficiency: 0.1, multiphoton: 0.2}},",
        "12:120: links.short.photons.source.multiphoton: 0.2 of the pulses cannot have two photons: 0.1 have any",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: single_photon, rate: 2 THz}},",
        "12:96: links.short.photons.source.rate: '2 THz': 'THz' is not a unit of rate; write a number and one of Hz, /s, kHz, MHz, GHz",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {source: {model: single_photon, rate: 2000 GHz}},",
        "12:96: links.short.photons.source.rate: 2e+12 Hz is not a rate of pulses; 0.001 Hz to 1000 GHz are",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {channel: {model: free_space, loss: 20}},",
        "12:94: links.short.photons.channel.loss: 20 needs a unit; write a number and one of dB",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {channel: {model: pass, table: [{at: 0 s, loss: 40 dB}]}},",
        "12:89: links.short.photons.channel.table: needs at least 2 of them, not 1",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {channel: {model: pass, table: [{at: 1 s, loss: 40 dB}, {at: 1 s, loss: 30 dB}]}},",
        "12:119: links.short.photons.channel.table[1].at: 1 s does not come after 1 s",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {detector: {afterpulse: 1 %}},",
        "12:82: links.short.photons.detector.afterpulse: afterpulses need `afterpulse_time`, the mean time after which they come",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {detector: {afterpulse: 95 %, afterpulse_time: 1 us}},",
        "12:82: links.short.photons.detector.afterpulse: at most 0.9: with more, clicks hardly ever stop causing others",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {detector: {jitter: 10 ns}},",
        "12:78: links.short.photons.detector.jitter: at most 5461 times the resolution, which is 1 ps",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {encoding: {model: time_bin, separation: 1 ns}, detector: {window: 2 ns}},",
        "12:125: links.short.photons.detector.window: at most the separation of the bins, 1e-09 s: windows cannot overlap",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {encoding: {model: time_bin, separation: 1 ns}, source: {model: single_photon, rate: 1 GHz}},",
        "12:143: links.short.photons.source.rate: two bins 1e-09 s apart do not fit between pulses at this rate",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {encoding: {model: time_bin, separation: 0 s}},",
        "12:99: links.short.photons.encoding.separation: must be at least 1 ps",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {tap: eve},",
        "12:64: links.short.photons.tap: no node 'eve'; there are: alice, bob, r0, r1, r2, r3",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {tap: bob},",
        "12:64: links.short.photons.tap: 'bob' is an end of the link; who sits on a link is another node",
    ),
    Case(
        "length: 10 km,",
        "length: 10 km, photons: {tap: r0, source: {model: entangled, mean_pairs: 0.1}},",
        "12:64: links.short.photons.tap: a tap needs a source whose photons are prepared: single_photon or weak_coherent",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1, lab2]\nplace: {alice: lab3}",
        "15:16: place.alice: no host 'lab3' (did you mean 'lab2'?); known hosts: lab1, lab2",
    ),
    Case(
        "classical: {delay: along_links}",
        "place: {alice: lab1}",
        "14:16: place.alice: no host 'lab1'; `hosts` names none",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1]\nplace: {alise: lab1, oracel: lab1, 'r[2..5]': lab1}",
        "15:9: place.alise: no node 'alise' (did you mean 'alice'?)",
        "15:22: place.oracel: no node 'oracel' (did you mean 'oracle'?)",
        "15:36: place.r[2..5]: no node 'r4', nor 1 more of 'r[2..5]'",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1]\nplace: {r2: lab1, 'r[0..2]': lab1}",
        "15:19: place.r[0..2]: 'r2' has a place already, by 'r2'",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1]\nplace: {'r[2..0]': lab1}",
        "15:9: place.r[2..0]: 'r[2..0]' counts down; write [0..2]",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1, 2, lab1]",
        "14:15: hosts[1]: 2 is no host's name; write names, such as [lab1, lab2]",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: [lab1, lab1]",
        "14:15: hosts[1]: host 'lab1' is already there",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: {lab1: {address: 'a b'}}",
        "14:25: hosts.lab1.address: 'a b' cannot be an address: write a name or a number, such as lab1.local or 192.168.1.5",
    ),
    Case(
        "classical: {delay: along_links}",
        "hosts: {'lab 1': {}}",
        "14:9: hosts.lab 1: 'lab 1' cannot be a name: use letters (a-z, A-Z), digits, `_` and `-`, a letter or digit first, at most 64 in all",
    ),
]
