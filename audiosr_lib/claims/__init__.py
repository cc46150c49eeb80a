"""What the coursework claims, and verdicts that are computed from the files of a run.

    printed      the numbers that the coursework prints
    findings     the numbers that notebook 11 measures, declared once
    evidence     the files of a record, as numbers
    judging      verdicts, and judges that serve many claims
    theory, results, program    the claims, each beside its judge
    hypotheses   slips that could explain the printed SNRs

This wing reads records and nothing else: it knows no network and no recording.
"""

from audiosr_lib.claims import program, results, theory
from audiosr_lib.claims.evidence import Evidence, Findings
from audiosr_lib.claims.findings import FOR_INFORMATION, Finding
from audiosr_lib.claims.judging import MEANINGS, VERDICTS, Claim, turns_up, verdicts
from audiosr_lib.claims.printed import PRINTED_LSD, PRINTED_SNR, PRINTED_SPEED, PROGRAM_CLAMP

CLAIMS: tuple[Claim, ...] = (*theory.CLAIMS, *results.CLAIMS, *program.CLAIMS)

__all__ = [
    "CLAIMS", "FOR_INFORMATION", "MEANINGS", "PRINTED_LSD", "PRINTED_SNR", "PRINTED_SPEED", "PROGRAM_CLAMP", "VERDICTS", "Claim",
    "Evidence", "Finding", "Findings", "program", "results", "theory", "turns_up", "verdicts",
]  # fmt: skip
