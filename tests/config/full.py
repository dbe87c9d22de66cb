"""A configuration that says everything that can be said, one key a line."""

from __future__ import annotations

from typing import Final

FULL: Final = """\
version: 1
name: everything
seed: 1
clock:
  mode: virtual
  tick: 1 us
until: 10 s
formalism: auto
max_state_vector_qubits: 20
nodes_per_process: 2
events: false
kinds:
  end:
    qubits: 8
    t1: 10 s
    t2: 1 s
    cutoff: 500 ms
    gates:
      single:
        duration: 1 us
        error: 0.001
        dephase: 0.2 %
        flip: 0.001
        pauli: [0.1 %, 0, 0.002]
      two:
        duration: 2 us
        error: 0.01
        pauli: [0, 0, 0.01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.1 %]
      measure:
        duration: 3 us
        error: 0.002
        readout:
          p01: 1 %
          p10: 2 %
  repeater:
    hardware: nv_center
    communication:
      qubits: 1
      t2: 10 ms
    memory:
      qubits: 3
      t1: 10 s
      t2: 2 s
      cutoff: 1 s
    gates:
      single:
        kraus: [[[1, 0], [0, 0.8]], [[0, 0.6j], [[0, 0], 0]]]
      initialise:
        duration: 1 us
        error: 1 %
      move:
        duration: 1 ms
        error: 0.02
    gate_set: [x, z, h, cnot, rx, unitary]
    parallel: 1
nodes:
  alice:
    kind: end
    program: "teleport.py:alice"
    args:
      theta: 0.3
  bob:
    programs:
      main:
        run: "pkg.teleport:bob"
        args:
          n: 3
        service: true
        start: 1 ms
        stop: 2 ms
        memories: 1
        communication: 0
  "r[00..11]":
    kind: repeater
links:
  between-two:
    between: [alice, bob]
    length: 10 km
    delay: 50 us
    attenuation: 0.2 dB/km
    source:
      model: perfect
      success_probability: 0.5
      duration: 60 us
      attempt_dephasing: 0.001
    photons:
      encoding:
        model: time_bin
        separation: 500 ps
        interferometer: 80 %
        visibility: 0.98
      source:
        model: weak_coherent
        intensities: [0.5, 0.1, 0]
        rate: 1 GHz
      channel:
        model: pass
        table:
          - at: 0 s
            loss: 40 dB
          - at: 100 s
            loss: 30 dB
      coupling: 0.9
      misalignment: 1 %
      detector:
        efficiency: 20 %
        dark_clicks: 1e-6
        dead_time: 10 us
        afterpulse: 1 %
        afterpulse_time: 2 us
        jitter: 50 ps
        resolution: 10 ps
        window: 400 ps
      tap: r00
      tap_at: 0.5
  a-chain:
    chain: [bob, r00, r10]
    fidelity: 0.98
    photons:
      encoding:
        model: polarisation
      source:
        model: single_photon
        efficiency: 0.7
        multiphoton: 0.01
      channel:
        model: free_space
        loss: 20 dB
  a-ring:
    ring: [alice, r00, r01]
    source:
      model: werner
      fidelity: 0.98
  a-star:
    star: [alice, "r[02..03]"]
    source:
      model: bell_diagonal
      phi_plus: 0.4
      phi_minus: 0.3
      psi_plus: 0.2
      psi_minus: 0.1
    photons:
      source:
        model: entangled
        mean_pairs: 0.05
      channel:
        model: fibre
  given-state:
    between: [r02, r11]
    source:
      model: density_matrix
      matrix:
        - [0.5, 0, 0, 0.1-0.2i]
        - [0, 0, 0, 0]
        - [0, 0, 0, 0]
        - [0.1+0.2i, 0, 0, 0.5]
      success_probability: 1 %
      duration: 10 us
      attempt_dephasing: 0.001
  all:
    complete: [r04, r06]
    length: 20 km
    source:
      model: single_click
      bright_state: [0.1, 0.2]
      phase_noise: 5 deg
      station: 5 km
      preparation: 1 us
      emission: 0.9
      coupling: [0.8, 0.7]
      detector: 70 %
      dark_clicks: 1e-6
      visibility: 0.95
      lifetime: 10 ns
      jitter: 1 ns
      window: 50 ns
      resolution: 200 ps
      attempt_dephasing: 0.001
  a-grid:
    grid:
      nodes: [r06, r08, r10, alice]
      columns: 2
    source:
      model: double_click
      encoding: time_bin
      preparation: 2 us
      bins: 100 ns
  a-tree:
    tree:
      nodes: [bob, r07, r09, r11]
      branching: 2
    source:
      model: midpoint_source
      mean_pairs: 0.05
      encoding: polarisation
      coupling: 0.8
      detector: 0.7
      dark_clicks: 1e-6
  by-chance:
    random:
      nodes: [r05, r09]
      probability: 0.5
      seed: 2
classical:
  delay:
    matrix: delays.csv
observe:
  received:
    - fidelity: phi+
    - fidelity
"""

TELEMETRY: Final = """\
version: 1
nodes:
  alice: {restart: resume}
limits:
  qubits: 100
  component: 10
  operations: 1000
  requests: 100
  pulses: 1000000
  message_bytes: 65536
  queue_bytes: 1000000
  notes_bytes: 1000000
  record_bytes: 1000000000
  connections: 100
  refusals: 1000
failures:
  restart: fresh
  restarts: 5
  restart_delay: 1 ms
  detection_delay: 10 us
stack:
  swap: nested
  metric: time
  cutoff: 10 ms
  window: 3
  swap_success: 0.5
  distillation: bbpssw
  routing: on_demand
  head_start: 10 ms
record:
  fsync: instant
  segment: 1 MiB
hosts:
  lab1:
    address: 192.168.1.5
  lab2: {}
place:
  oracle: lab1
  alice: lab2
events: true
telemetry:
  mqtt:
    broker: mqtts://broker.example:8883
    topic: lab/qnode
    qos: 0
    every: 100 ms
    queue: 1000
    linger: 2 s
    commands: false
    clear: true
  prometheus:
    port: 0
    host: 0.0.0.0
"""

FAULTS: Final = """\
version: 1
nodes:
  alice: {}
  bob: {}
links:
  short: {between: [alice, bob]}
faults:
  - at: 1 ms
    kill: bob
    restart: fresh
  - at: 1 ms
    pause: [alice, bob]
    for: 1 ms
  - at: 1 ms
    cut: [alice, bob]
    until: 3 ms
  - on:
      event: deliver
      node: alice
      peer: bob
      program: x
      name: x
      channel: x
      nth: 3
    after: 1 us
    cut:
      from: alice
      to: "*"
  - at: 0
    slow:
      between: [alice, bob]
      by: 1 us
  - at: 0
    lose:
      between: [alice, "*"]
      probability: 10 %
  - at: 0
    duplicate:
      between: [alice, bob]
      within: 1 us
  - at: 0
    reorder: "*"
  - at: 0
    break: short
  - at: 1 s
    heal: "*"
  - at: 1 s
    heal:
      between: [alice, bob]
"""

REAL: Final = """\
version: 1
clock:
  mode: real
  speed: 0.5
nodes:
  alice: {}
"""

GRAPH: Final = """\
version: 1
graphs:
  net:
    file: net.graphml
    format: graphml
    name: label
    node:
      qubits:
        attribute: slots
        unit: ""
        default: 3
    link:
      length: 5 km
    simplify: true
nodes: {}
"""
