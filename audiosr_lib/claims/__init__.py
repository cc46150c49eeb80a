"""The claims of the coursework, and their verdicts, computed from the files of a run.

    printed      the numbers that the coursework prints
    findings     the names of the numbers that notebook 11 measures
    evidence     the numbers in the files of a record
    judging      verdicts, and judges that serve many claims
    theory, results, program    the claims, each with its judge
    hypotheses   slips that could explain the printed SNRs

This subpackage reads records only. It uses neither the network nor the recordings.
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
