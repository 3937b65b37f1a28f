"""Mnemon measured beside its peers, in the same run. `benches/peers/run --help` says how."""
