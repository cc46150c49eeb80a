"""Publish the network of a record: its weights, and a card that says what they are. ``python -m audiosr_lib.study.card``

Everything in the card is read from the record, the training's log and the registry of corpora. Run it after the record is published.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from audiosr_lib import metrics
from audiosr_lib.base import checkpoints, files, paths, profiles
from audiosr_lib.base.errors import StudyError, run_command
from audiosr_lib.data import dataset
from audiosr_lib.inference import systems
from audiosr_lib.losses import LOSS_NAMES
from audiosr_lib.training import checkpoint
from audiosr_lib.training.config import TrainingConfig
from audiosr_lib.training.log import read_log
from audiosr_lib.unet import UNet, count_parameters

USE = (
    "Comparing, listening and teaching: the network of the coursework, trained long enough to be judged. It takes speech that was "
    "interpolated from 22.05 kHz to 44.1 kHz by resampy's kaiser_fast, and adds the band above 11 kHz."
)
LIMITS = (
    "It was trained on clean speech at 44.1 kHz whose low-rate version kaiser_fast had made. It was not trained on music, noise, telephone "
    "speech or other rates.",
    "The band above 11 kHz is invented. It is not what the speaker said, and must not serve as evidence.",
    "It changes the band below 11 kHz, too, and it adds a faint sound to digital silence (chapter 10).",
    "The speakers are few: actors of two sentences, students who spell, one Czech voice, and readers of descriptions in a few languages.",
)
TERMS = (
    "The recordings have the licences of the table. Whether a network is a derived work of its training recordings is not settled in law. "
    "To be safe, take the strictest terms among them for the weights: {strictest}. Whoever needs other terms can train the network "
    "without those recordings, with the same command."
)


def log_of(directory: Path) -> pd.DataFrame:
    """Return the validations of a training, and the mean training losses since the validation before, as `weights.history` describes.

    The seconds are those that the steps take at the training's median pace, because other work on the machine slows single steps.
    """
    train, validation = (pd.DataFrame(read_log(directory / f"{name}.csv")) for name in ("train", "validation"))
    validation["seconds"] = validation.step * train.seconds.diff().median()
    since = np.searchsorted(validation.step, train.step)  # the validation that follows each step
    means = train.groupby(since)[list(LOSS_NAMES)].mean().add_prefix("train_")
    return validation.reset_index(drop=True).join(means).astype({"step": int})


def half_precision(best: Path, exported: Path, splits: dict[str, dataset.PairedSplit]) -> dict:
    """Return the largest difference in LSD and SNR that storing the weights in half precision makes, on one utterance of each speaker."""
    networks = {"single": systems.load_model(best), "half": systems.load_model(exported)}
    worst, count = {"lsd_log10": 0.0, "snr_db": 0.0}, 0
    for split in splits.values():
        for i in split.spread(1):
            y = split.read(i)[1]
            made = systems.all_systems(networks, y)
            single, half = (metrics.evaluate(made[name], y) for name in networks)
            worst = {m: max(value, abs(single[m] - half[m])) for m, value in worst.items()}
            count += 1
    return {"utterances": count} | {f"largest_difference_{m}": value for m, value in worst.items()}


def measures(record: Path) -> list[dict]:
    """Return for each test set the measures of the network and of Kaiser fast, and the network's level errors in bands, from a record."""
    table, levels = pd.read_csv(record / "table-2-sets.csv"), pd.read_csv(record / "table-artefacts.csv")
    rows = []
    for name, part in table.groupby("test_set", sort=False):
        if "+" in name:  # several sets together; each has a row of its own
            continue
        row = {"test_set": name, "speakers": int(part.speakers.iloc[0]), "utterances": int(part.utterances.iloc[0])}
        by_measure = part.set_index(["measure", "system"])
        for measure in ("lsd_log10", "snr_db"):
            own = by_measure.loc[(measure, "unet")]
            row |= {measure: own["mean"], f"{measure}_speakers": [own["low_speakers"], own["high_speakers"]]}
            row |= {f"{measure}_kaiser_fast": by_measure.loc[(measure, "kaiser_fast"), "mean"]}
        error = levels[(levels.test_set == name) & (levels.system == "unet")].iloc[0]
        rows.append(row | {column: error[column] for column in levels.columns if column.startswith("level_")})
    return rows


def strictest(licences: list[str]) -> str:
    """Return the licences that forbid commercial use; if there is none, those that ask for the same terms; else all."""
    groups = ([n for n in licences if any(mark in n for mark in marks)] for marks in (("NC",), ("GPL", "SA")))
    return " and ".join(dict.fromkeys(next(filter(None, groups), licences)))


def make(profile: str, name: str, note: str = "") -> Path:
    """Write the weights, the card and the history of the network of the published record of a profile, and return the card.

    Parameters
    ----------
    profile : profile of the record.
    name : name of the network.
    note : what a reader must know of its training and the files do not say.

    Raises StudyError if there is no record, or its training is not on this machine.
    """
    record, target = paths.figures(profile), paths.weights() / name
    if not (record / "manifest.json").exists():
        raise StudyError(f"There is no record in {paths.shown(record)}: first run ./run_all.sh --profile {profile}")
    manifest = files.read_json(record / "manifest.json")
    corpus, seed = manifest["corpus"]["corpus"], manifest["seed"]
    config = TrainingConfig.of(profiles.get(profile), corpus, seed, manifest["parameters"]["device"])
    directory = checkpoint.directory_of(config, profile)
    saved, log = checkpoints.read(directory / "best.pt"), log_of(directory)
    parts = manifest["corpus"].get("parts", [manifest["corpus"]])
    best = log[log.step == saved["state"]["best_step"]].iloc[0]
    kaiser = pd.read_csv(record / "data-validation-kaiser.csv").iloc[0].to_dict()
    card = {
        "name": name, "parameters": count_parameters(UNet()), "profile": profile, "config": saved["config"], "commit": saved["commit"],
        "note": note,
        "device": manifest["device"], "record": manifest["finished"],
        "steps": int(log.step.iloc[-1]), "best_step": int(best.step), "hours": log.seconds.iloc[-1] / 3600,
        "hours_with_other_work": read_log(directory / "train.csv")[-1]["seconds"] / 3600,
        "hours_heard": log.step.iloc[-1] * config.batch_size * config.crop_seconds / 3600,
        "corpora": [
            {k: p[k] for k in ("corpus", "title", "licence", "source", "lossy", "content_sha256", "hours")}
            | {"speakers": {s: len(who) for s, who in dataset.summary(p["corpus"])["speakers"].items()}}
            for p in parts
        ],
        "validation": {"network": {k: best[k] for k in LOSS_NAMES}, "kaiser_fast": {k: kaiser[k] for k in LOSS_NAMES}},
        "test_sets": measures(record),
        "use": USE, "limits": LIMITS, "terms": TERMS.format(strictest=strictest([p["licence"] for p in parts])),
    }  # fmt: skip
    weights, card_file = (target.with_suffix(suffix) for suffix in (".safetensors", ".json"))
    card_file.unlink(missing_ok=True)  # it has the checksum of the old weights
    checkpoints.write_weights(weights, saved["model"])
    test = {n: dataset.PairedSplit(n, "test") for n in (p["corpus"] for p in parts) if "test" in dataset.summary(n)["speakers"]}
    card |= {"sha256": files.sha256_of(weights), "bytes": weights.stat().st_size}
    card |= {"half_precision": half_precision(directory / "best.pt", weights, test)}
    history = {"log": log, "by-time": pd.read_csv(record / "data-by-time.csv")}
    for what, table in history.items():
        files.write_text(target.with_name(f"{name}-{what}.csv"), table.to_csv(index=False, float_format="%.6g"))
    files.write_text(target.with_suffix(".md"), markdown(card))
    files.write_json(card_file, card)  # last: weights without a card are not published
    return target.with_suffix(".md")


def markdown(card: dict) -> str:
    """Return a card as Markdown."""
    config, half = card["config"], card["half_precision"]

    def table(rows: list[dict]) -> str:
        return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)

    corpora = [
        {"corpus": p["corpus"], "what": p["title"], "licence": p["licence"], "hours trained on": f"{p['hours']['train']:.2f}",
         "lossy": p["lossy"] or "no"} for p in card["corpora"]
    ]  # fmt: skip
    tested = []
    for r in card["test_sets"]:
        low, high = r["lsd_log10_speakers"]
        row = {"test set": r["test_set"], "speakers": r["speakers"], "utterances": r["utterances"]}
        row |= {"LSD, log10 (95 % over speakers)": f"{r['lsd_log10']:.2f} ({low:.2f} to {high:.2f})"}
        row |= {"Kaiser fast": f"{r['lsd_log10_kaiser_fast']:.2f}"}
        tested.append(row | {"SNR, dB": f"{r['snr_db']:.1f}", "Kaiser fast, dB": f"{r['snr_db_kaiser_fast']:.1f}"})
    validation = card["validation"]
    losses = [
        {"loss": name, "network": f"{validation['network'][name]:.4g}", "Kaiser fast": f"{validation['kaiser_fast'][name]:.4g}"}
        for name in LOSS_NAMES
    ]
    lines = [
        f"# The network `{card['name']}`",
        f"The coursework's 1-D U-Net, {card['parameters']:,} parameters.",
        card["use"],
        "## Training",
        f"Profile `{card['profile']}`, seed {config['seed']}: {card['steps']:,} steps of {config['batch_size']} crops of "
        f"{config['crop_seconds']:g} s ({card['hours_heard']:.1f} hours of crops) in {card['hours']:.1f} hours on "
        f"{card['device'].get('gpu') or card['device']['cpu']}, at the median pace of {3600 * card['hours'] / card['steps']:.2f} s a step "
        f"({card['hours_with_other_work']:.1f} hours with the other work on that machine).",
        f"Adam, learning rate {config['learning_rate']:g}, weight decay {config['weight_decay']:g}, weight of the MSE "
        f"{config['mse_weight']:g}, gradients clipped at {config['clip_norm']:g}. The weights are those of the lowest validation loss, at "
        f"step {card['best_step']:,}. Code: commit `{card['commit']}`. {card['note']}".strip(),
        table(corpora),
        "Validation losses, on speakers that it was not trained on:",
        table(losses),
        "## Test",
        "On speakers that served neither for training nor for validation. Chapter 10 explains the measures.",
        table(tested),
        "## File",
        f"`{card['name']}.safetensors`, {card['bytes'] / 1e6:.1f} MB, SHA-256 `{card['sha256']}`.",
        "The convolutions are in half precision, the batch norms in single precision. On "
        f"{half['utterances']} test utterances this changes LSD by at most {half['largest_difference_lsd_log10']:.1g} and SNR by at most "
        f"{half['largest_difference_snr_db']:.1g} dB.",
        "## Limits",
        "\n".join(f"- {line}" for line in card["limits"]),
        "## Licence",
        card["terms"],
    ]
    return "\n\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Publish a network and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m audiosr_lib.study.card", description="Publish the network of a record in data/weights."
    )
    parser.add_argument(
        "--profile", choices=list(profiles.PROFILES), default="overnight", help="profile of the record (default: overnight)"
    )
    parser.add_argument("--name", default="unet", help="name of the network (default: unet)")
    parser.add_argument("--note", default="", help="what a reader must know of its training and the files do not say")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)

    def work() -> int:
        print(paths.shown(make(options.profile, options.name, options.note)))
        return 0

    return run_command(work, debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
