"""Publish a trained network: its weights, and a card that says what they are. ``python -m audiosr_lib.study.card``

Everything in the card of a U-Net is read from its record, the training's log and the registry of corpora. Run it after the record is
published. A light network has no record of its own and is tested here: ``python -m audiosr_lib.study.card --network light``
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn
from tqdm import tqdm

from audiosr_lib import artefacts, metrics
from audiosr_lib.base import checkpoints, files, paths, profiles, provenance
from audiosr_lib.base.errors import StudyError, run_command
from audiosr_lib.data import corpora, dataset
from audiosr_lib.inference import systems
from audiosr_lib.study import record
from audiosr_lib.training import checkpoint
from audiosr_lib.training.config import TrainingConfig
from audiosr_lib.training.log import FIELDS, read_log
from audiosr_lib.training.networks import NETWORKS
from audiosr_lib.unet import count_parameters

WHAT = {"unet": "The coursework's 1-D U-Net", "light": "The light network, `audiosr_lib.light`"}
USE = {
    "unet": "Comparing, listening and teaching: the network of the coursework, trained long enough to be judged. It takes "
    "speech that was interpolated from 22.05 kHz to 44.1 kHz by resampy's kaiser_fast, and adds the band above 11 kHz.",
    "light": "Making speech at 22.05 kHz bright. It takes speech that was interpolated to 44.1 kHz, predicts how loud each band from 9.0 "
    "to 21.4 kHz is, and fills these bands with the fine structure of the band below.",
}
STORED = {"unet": "The convolutions are in half precision, the batch norms", "light": "Matrices are in half precision, vectors"}
INVENTED = "The band above 11 kHz is invented. It is not what the speaker said, and must not serve as evidence."
LIMITS = {
    "unet": (
        "It was trained on clean speech at 44.1 kHz whose low-rate version kaiser_fast had made. It was not trained on music, noise, "
        "telephone speech or other rates.",
        INVENTED,
        "It changes the band below 11 kHz, too, and it adds a faint sound to digital silence (chapter 10).",
        "The speakers are few: actors of two sentences, students who spell, one Czech voice, and readers of descriptions in a few "
        "languages.",
    ),
    "light": (
        "It was trained on clean speech, with some noise, and with filters that fade between 8.8 and 11 kHz. It was not trained on music, "
        "telephone speech or other rates.",
        INVENTED,
        "It adds nothing above 21.4 kHz and changes nothing below 9 kHz.",
        "A microphone that is much brighter or duller than those of its recordings gets their mean level. "
        "`audiosr_lib.training.adaptation` goes on from these weights on recordings of your own.",
    ),
}
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
    losses = [name for name in train if name not in FIELDS["train"]]
    means = train.groupby(since)[losses].mean().add_prefix("train_")
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
    """Return for each test set the measures of the U-Net and of Kaiser fast, and the U-Net's level errors in bands, from a record."""
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


def tested(network: nn.Module, split: dataset.PairedSplit, per_speaker: int | None) -> dict:
    """Return the same measures of a network on one test set, computed here."""
    rows = []
    for i in tqdm(split.spread(per_speaker), desc=split.corpus, leave=False):
        u, y = split.utterances[i], split.read(i)[1]
        made = systems.all_systems({"network": network}, y)
        row = {"speaker": u.speaker} | metrics.evaluate(made["network"], y) | artefacts.measure(made["network"], y, u.edge_hz)
        rows.append(row | {f"{m}_kaiser_fast": v for m, v in metrics.evaluate(made["kaiser_fast"], y).items()})
    frame = pd.DataFrame(rows)
    row = {"test_set": dataset.label(split.corpus), "speakers": frame.speaker.nunique(), "utterances": len(frame)}
    for measure in ("lsd_log10", "snr_db"):
        row |= {measure: frame[measure].mean(), f"{measure}_speakers": list(metrics.speaker_interval(frame[measure], frame.speaker))}
        row |= {f"{measure}_kaiser_fast": frame[f"{measure}_kaiser_fast"].mean()}
    return row | {column: frame[column].mean() for column in frame if column.startswith("level_")}


def strictest(licences: list[str]) -> str:
    """Return the licences that forbid commercial use; if there is none, those that ask for the same terms; else all."""
    groups = ([n for n in licences if any(mark in n for mark in marks)] for marks in (("NC",), ("GPL", "SA")))
    return " and ".join(dict.fromkeys(next(filter(None, groups), licences)))


@dataclass(frozen=True)
class Source:
    """What a card is made from: a training, and measures of its network."""

    config: TrainingConfig
    corpora: list[dict]
    device: dict
    finished: str
    without: dict[str, float]  # validation losses without the network
    test_sets: list[dict]
    by_time: pd.DataFrame


def of_record(profile: str) -> Source:
    """Return what the published record of a profile says of its U-Net. Raises StudyError if there is no record."""
    folder = paths.figures(profile)
    if not (folder / "manifest.json").exists():
        raise StudyError(f"There is no record in {paths.shown(folder)}: first run ./run_all.sh --profile {profile}")
    manifest = files.read_json(folder / "manifest.json")
    corpus, seed = manifest["corpus"]["corpus"], manifest["seed"]
    return Source(
        config=TrainingConfig.of(profiles.get(profile), corpus, seed, manifest["parameters"]["device"]),
        corpora=manifest["corpus"].get("parts", [manifest["corpus"]]),
        device=manifest["device"],
        finished=manifest["finished"],
        without=pd.read_csv(folder / "data-validation-kaiser.csv").iloc[0].to_dict(),
        test_sets=measures(folder),
        by_time=pd.read_csv(folder / "data-by-time.csv"),
    )


def of_training(profile: str, corpus: str) -> Source:
    """Return the same of the light network that a profile has trained, which is tested here. Raises StudyError if it has not."""
    chosen = profiles.get(profile)
    name = corpora.open_corpus(corpus).name if corpus else chosen.light.corpus
    config = TrainingConfig.of(chosen, name, 0, network="light")
    directory = checkpoint.directory_of(config, profile)
    if not (directory / "finished.json").exists():
        raise StudyError(f"The training in {paths.shown(directory)} is not finished: first run ./run_all.sh --network light")
    names = dict.fromkeys([*corpora.parts_of(config.corpus), *corpora.parts_of(chosen.corpus), *chosen.unseen])
    here = [n for n in names if paths.prepared(n).exists() and "test" in dataset.summary(n)["speakers"]]
    splits = [dataset.PairedSplit(n, "test") for n in here]
    log, stages = log_of(directory), []
    for file in sorted((directory / "snapshots").glob("*.safetensors")):
        step = int(file.stem.removeprefix("step-"))
        at = {"step": step, "seconds": log.seconds[log.step == step].iloc[0]}
        rows = [tested(systems.load_model(file), split, 2) for split in splits]
        stages += [at | {k: row[k] for k in ("test_set", "lsd_log10", "snr_db")} for row in rows]
    return Source(
        config=config,
        corpora=[record.described(dataset.summary(n)) for n in corpora.parts_of(config.corpus)],
        device=provenance.device_description(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((directory / "finished.json").stat().st_mtime)),
        without={},
        test_sets=[tested(systems.load_model(directory / "best.pt"), split, chosen.test_utterances) for split in splits],
        by_time=pd.DataFrame(stages),
    )


def make(profile: str, name: str, note: str = "", network: str = "unet", corpus: str = "") -> Path:
    """Write the weights, the card and the history of a network that a profile has trained, and return the card.

    Parameters
    ----------
    profile : profile of the training. A U-Net needs its published record.
    name : name of the network.
    note : what a reader must know of its training and the files do not say.
    network : "unet" or "light".
    corpus : that a light network was trained on; "" for that of the profile.

    Raises StudyError if there is no record, or its training is not on this machine.
    """
    source = of_record(profile) if network == "unet" else of_training(profile, corpus)
    config, target = source.config, paths.weights() / name
    directory = checkpoint.directory_of(config, profile)
    saved, log = checkpoints.read(directory / "best.pt"), log_of(directory)
    best = log[log.step == saved["state"]["best_step"]].iloc[0]
    losses = NETWORKS[network].objective(config).names
    licences = [p["licence"] for p in source.corpora]
    card = {
        "name": name, "network": network, "parameters": count_parameters(NETWORKS[network].make(config)), "profile": profile,
        "config": saved["config"], "commit": saved["commit"], "note": note, "device": source.device, "record": source.finished,
        "steps": int(log.step.iloc[-1]), "best_step": int(best.step), "hours": log.seconds.iloc[-1] / 3600,
        "hours_with_other_work": read_log(directory / "train.csv")[-1]["seconds"] / 3600,
        "hours_heard": log.step.iloc[-1] * config.batch_size * config.crop_seconds / 3600,
        "corpora": [
            {k: p[k] for k in ("corpus", "title", "licence", "source", "lossy", "content_sha256", "hours")}
            | {"speakers": {s: len(who) for s, who in dataset.summary(p["corpus"])["speakers"].items()}}
            for p in source.corpora
        ],
        "validation": {"network": {k: best[k] for k in losses}, "kaiser_fast": {k: source.without.get(k) for k in losses}},
        "test_sets": source.test_sets,
        "use": USE[network], "limits": LIMITS[network], "terms": TERMS.format(strictest=strictest(licences)),
    }  # fmt: skip
    weights, card_file = (target.with_suffix(suffix) for suffix in (".safetensors", ".json"))
    card_file.unlink(missing_ok=True)  # it has the checksum of the old weights
    checkpoints.write_weights(weights, saved["model"])
    parts = [p["corpus"] for p in source.corpora]
    test = {n: dataset.PairedSplit(n, "test") for n in parts if "test" in dataset.summary(n)["speakers"]}
    card |= {"sha256": files.sha256_of(weights), "bytes": weights.stat().st_size}
    card |= {"half_precision": half_precision(directory / "best.pt", weights, test)}
    for what, table in {"log": log, "by-time": source.by_time}.items():
        files.write_text(target.with_name(f"{name}-{what}.csv"), table.to_csv(index=False, float_format="%.6g"))
    files.write_text(target.with_suffix(".md"), markdown(card))
    files.write_json(card_file, card)  # last: weights without a card are not published
    return target.with_suffix(".md")


def optimised(kind: str, config: dict) -> str:
    """Return how a kind of network was optimised, in words."""
    if kind == "light":
        return (
            f"AdamW, learning rate {config['learning_rate']:g} falling to 0 by half a cosine, weight decay {config['weight_decay']:g}, "
            f"gradients clipped at {config['clip_norm']:g}; random gains, tilts, noises and filters. The loss is the error of the "
            "levels in bels."
        )
    return (
        f"Adam, learning rate {config['learning_rate']:g}, weight decay {config['weight_decay']:g}, weight of the MSE "
        f"{config['mse_weight']:g}, gradients clipped at {config['clip_norm']:g}."
    )


def markdown(card: dict) -> str:
    """Return a card as Markdown."""
    kind = card.get("network", "unet")
    config, half = card["config"], card["half_precision"]

    def table(rows: list[dict]) -> str:
        return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)

    recordings = [
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
    losses = []
    for name, value in validation["network"].items():
        without = validation["kaiser_fast"][name]
        losses.append({"loss": name, "network": f"{value:.4g}"} | ({} if without is None else {"Kaiser fast": f"{without:.4g}"}))
    lines = [
        f"# The network `{card['name']}`",
        f"{WHAT[kind]}, {card['parameters']:,} parameters.",
        card["use"],
        "## Training",
        f"Profile `{card['profile']}`, seed {config['seed']}: {card['steps']:,} steps of {config['batch_size']} crops of "
        f"{config['crop_seconds']:g} s ({card['hours_heard']:.1f} hours of crops) in {card['hours']:.1f} hours on "
        f"{card['device'].get('gpu') or card['device']['cpu']}, at the median pace of {3600 * card['hours'] / card['steps']:.2f} s a step "
        f"({card['hours_with_other_work']:.1f} hours with the other work on that machine).",
        f"{optimised(kind, config)} The weights are those of the lowest validation loss, at "
        f"step {card['best_step']:,}. Code: commit `{card['commit']}`. {card['note']}".strip(),
        table(recordings),
        "Validation losses, on speakers that it was not trained on:",
        table(losses),
        "## Test",
        "On speakers that served neither for training nor for validation. Chapter 10 explains the measures.",
        table(tested),
        "## File",
        f"`{card['name']}.safetensors`, {card['bytes'] / 1e6:.1f} MB, SHA-256 `{card['sha256']}`.",
        f"{STORED[kind]} in single precision. On "
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
    parser.add_argument("--network", choices=list(NETWORKS), default="unet", help="kind of the network (default: unet)")
    parser.add_argument("--corpus", default="", help="corpus of a light network's training (default: that of the profile)")
    parser.add_argument("--name", default="", help="name of the published network (default: its kind)")
    parser.add_argument("--note", default="", help="what a reader must know of its training and the files do not say")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)

    def work() -> int:
        print(paths.shown(make(options.profile, options.name or options.network, options.note, options.network, options.corpus)))
        return 0

    return run_command(work, debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
