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
    gates:
      single:
        duration: 1 us
        error: 0.001
      two:
        duration: 2 us
        error: 0.01
      measure:
        duration: 3 us
        error: 0.002
        readout:
          p01: 1 %
          p10: 2 %
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
  "r[00..11]": {}
links:
  between-two:
    between: [alice, bob]
    length: 10 km
    delay: 50 us
    attenuation: 0.2 dB/km
    source:
      model: perfect
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
  all:
    complete: [r04, r06]
    source:
      model: single_click
      bright_state: 0.1
      phase_noise: 5 deg
      preparation: 1 us
      emission: 0.9
      coupling: 0.8
      detector: 70 %
      dark_clicks: 1e-6
      visibility: 0.95
  a-grid:
    grid:
      nodes: [r06, r08, r10, alice]
      columns: 2
    source:
      model: double_click
      preparation: 2 us
  a-tree:
    tree:
      nodes: [bob, r07, r09, r11]
      branching: 2
    source:
      model: midpoint_source
      mean_pairs: 0.05
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
  alice: {}
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
