"""Claims about the printed program (Appendix A), each with the finding that judges it."""

from __future__ import annotations

from audiosr_lib.claims.evidence import Evidence
from audiosr_lib.claims.findings import Finding
from audiosr_lib.claims.judging import WRONG, ClaimList, Judgement, graded, when

CLAIMS = ClaimList()


def program(claim_id: str, text: str, name: Finding, wanted: float, note: str = "") -> None:
    """Add a claim that holds if the finding equals `wanted`; the note says what is wrong if it does not."""

    def judge(e: Evidence) -> Judgement:
        holds = abs(e.finding(name) - wanted) < 1e-9
        return Judgement("yes" if holds else "no", when(holds, WRONG), "" if holds else note, shown=name)

    CLAIMS.add(claim_id, "Appendix A", text, "program", judge)


def stft_call(e: Evidence) -> Judgement:
    as_printed, mended = e.finding(Finding.stft_without_return_complex_runs), e.finding(Finding.stft_with_return_complex_equals_ours)
    words = "runs" if as_printed else "an error" + (", right with one argument more" if mended else "")
    convention = "PyTorch of 2021; return_complex is asked for today"
    return Judgement(words, graded(as_printed, mended), convention, shown=Finding.stft_without_return_complex_runs)


def aligned_crops(e: Evidence) -> Judgement:
    left, lost = e.finding(Finding.share_of_odd_starts_left), e.finding(Finding.snr_lost_without_rule)
    words, convention = f"{100 * left:.0f} % odd starts left", f"forgetting the rule would cost {lost:.1f} dB"
    return Judgement(words, when(left == 0 and lost > 0, WRONG), convention, shown=Finding.share_of_odd_starts_left)


# fmt: off
program("program-options", "the line that names the configuration file parses", Finding.printed_argparse_line_parses, 1,
        "a word is missing")
program("program-upscale", "the network's class has one name", Finding.upscale_name_defined, 1, "two spellings")
program("program-files", "the reader returns the files it was given", Finding.shadowed_argument_files_left, 3,
        "none: its argument is overwritten")
program("program-rate", "files of a wrong sample rate are left out", Finding.filtered_by_sample_rate, 1, "as the function's name says")
program("program-length", "files that are too short are left out", Finding.filtered_by_length, 1, "as the function's name says")
program("program-short", "a file of 2.5 s can give a crop of 2 s", Finding.short_file_raises, 0, "an error: 3 s are asked for")
program("program-low-length", "the low-rate length is read from the low-rate file", Finding.low_length_taken_from_high, 0,
        "from the other one; never used")
CLAIMS.add("program-stft", "Appendix A", "torch.stft works as called", "program", stft_call)
program("program-window", "the window of the loss moves to the GPU with its module", Finding.window_moves_with_module, 1,
        "it stays on the CPU")
program("program-loader", "the data loader is imported", Finding.dataloader_in_scope, 1)
program("program-writer", "the writer is known where validation writes", Finding.writer_in_scope, 1)
program("program-validate", "validation adds up its loss", Finding.validation_loss_accumulates, 1, "a name is misspelt")
CLAIMS.add("program-aligned", "Appendix A", "crops of both rates start at the same instant", "program", aligned_crops)
program("program-shuffle", "the training loader shuffles", Finding.loader_shuffles, 1, "one order in all epochs")
program("program-validation-crops", "validation measures the same crops each time", Finding.validation_crops_change, 0,
        "random ones, a mean of 30 rounds")
# fmt: on
