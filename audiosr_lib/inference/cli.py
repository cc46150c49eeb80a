"""Bring a recording at 22.05 kHz to 44.1 kHz with a trained network. ``python -m audiosr_lib.inference.cli IN OUT``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import printable, run_command
from audiosr_lib.inference.chunks import SUBTYPES, super_resolve_file
from audiosr_lib.inference.deployed import deploy
from audiosr_lib.inference.systems import load_model
from audiosr_lib.inference.weights import DEFAULT, find


def main(arguments: list[str] | None = None) -> int:
    """Enhance a recording and return the exit status."""
    parser = argparse.ArgumentParser(prog="audiosr", description="Bring a recording at 22.05 kHz to 44.1 kHz.")
    parser.add_argument("source", type=Path, help="a recording at 22.05 kHz")
    parser.add_argument("target", type=Path, help="the result, .wav or .flac")
    parser.add_argument(
        "--network", default=DEFAULT, metavar="NAME|FILE",
        help=f"a published network, the profile whose last training is meant, or a file of weights (default: {DEFAULT})",
    )  # fmt: skip
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: CUDA if there is a GPU)")
    parser.add_argument("--half", action="store_true", help="use bfloat16: faster on some processors, adds noise to near-silent bins")
    parser.add_argument(
        "--subtype", choices=SUBTYPES, default="PCM_24", help="sample format of the result (default: PCM_24; FLOAT in .wav only)"
    )
    parser.add_argument("--force", action="store_true", help="replace the result if it exists")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)

    def work() -> int:
        network = find(options.network)
        model = load_model(network, device_for(options.device))
        deployed = deploy(model, torch.bfloat16 if options.half else torch.float32)
        with tqdm(unit="s", unit_scale=1 / SR_HIGH, desc=printable(options.source.name), leave=False) as bar:
            seconds = super_resolve_file(
                deployed, options.source, options.target, progress=bar.update, subtype=options.subtype, force=options.force
            )
        print(f"{options.target}: {seconds:.1f} s at {SR_HIGH} Hz, by the network {options.network}")
        return 0

    return run_command(work, debug=options.debug, kept=lambda: "Nothing was written.")


if __name__ == "__main__":
    sys.exit(main())
