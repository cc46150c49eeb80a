"""Worked solutions of chapter 07, data preparation."""

import math


def exercise_07_1(total, crop):
    """The last possible start is total - crop. Of 0, 1, ..., total - crop only the even ones are allowed.

    These are 0, 2, ..., 2 k with 2 k <= total - crop: k + 1 of them, k = (total - crop) // 2.
    If the utterance is shorter than a crop there is none.
    """
    return (total - crop) // 2 + 1 if total >= crop else 0


def exercise_07_2(rows):
    """Note for each speaker and each hash in which splits it was seen; those with more than one leak.

    Speakers and hashes are kept apart while collecting, so that a speaker who happens to be called like a hash does no harm.
    """
    seen = {}
    for split, speaker, digest in rows:
        seen.setdefault(("speaker", speaker), set()).add(split)
        seen.setdefault(("hash", digest), set()).add(split)
    return {name for (_, name), splits in seen.items() if len(splits) > 1}


def exercise_07_3(f_hz, g, d):
    """The target is an arrow of length 1, the estimate one of length g, turned back by the angle a = 2 pi f d / sr.

    Their difference has, by the law of cosines, the squared length 1 - 2 g cos(a) + g^2. Over whole periods the power of a
    sine is half the squared length of its arrow, for the error as for the target, so the halves cancel:

        SNR = -10 log10(1 - 2 g cos(a) + g^2)

    Without a delay that is -20 log10 |1 - g|. With g = 1 it is -20 log10 |2 sin(a / 2)|: a delay costs high frequencies most.
    """
    angle = 2 * math.pi * f_hz * d / 44100
    return -10 * math.log10(1 - 2 * g * math.cos(angle) + g * g)
