#!/usr/bin/env bash
# One command from a fresh machine to every figure and table: sets up Python, then hands over to audiosr_lib/runner.py.
# Options: ./run_all.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { printf '%s\n' "$*" >&2; exit 1; }

# A Python of 3.10 or later: the active environment's, else the newest tried and known to have every pinned package.
suitable() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
active="${VIRTUAL_ENV:-}"
if [ -z "$active" ] && [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-base}" != base ]; then active="$CONDA_PREFIX"; fi
if [ -n "$active" ]; then
  base="$active/bin/python"
  suitable "$base" || fail "The active environment $(basename "$active") has no Python from 3.10 to 3.14. Deactivate it, or make one that has."
else
  base=""
  for candidate in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do
    if suitable "$candidate"; then base="$candidate"; break; fi
  done
  [ -n "$base" ] || fail "No Python from 3.10 to 3.14 was found: install one (Debian, Ubuntu: apt install python3 python3-venv)."
fi

# Options are checked before anything is installed; this also answers --help.
for option in "$@"; do case "$option" in -h|--help) exec "$base" -m audiosr_lib.runner --help ;; esac; done
"$base" -m audiosr_lib.runner --check "$@"

# The environment: the active one, or .venv. It is installed once; a changed environment.yml installs again.
environment="${active:-$PWD/.venv}"
python="$environment/bin/python"
stamp="$environment/.audiosr-installed"
wanted="$(cksum environment.yml pyproject.toml) $PWD"
if ! { [ -x "$python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; }; then
  mkdir -p build
  log=build/setup.log
  if [ ! -x "$python" ]; then
    "$base" -m venv "$environment" >"$log" 2>&1 ||
      { rm -rf "$environment"; fail "Could not make a virtual environment (Debian, Ubuntu: apt install python3-venv). See $log"; }
  fi
  echo "Installing the pinned packages (some minutes, only the first time; log in $log) ..."
  # The pip section of environment.yml, as it stands there: the list, and what is optional.
  "$python" -c '
import re
section = open("environment.yml", encoding="utf-8").read().partition("- pip:\n")[2]
for name, mark in ("requirements", ""), ("optional", "# "):
    open(f"build/{name}.txt", "w").write("\n".join(re.findall(rf"^ +{mark}- (.+)$", section, re.M)) + "\n")'
  { "$python" -m pip install --disable-pip-version-check --progress-bar off -r build/requirements.txt &&
    "$python" -m pip install --disable-pip-version-check --no-deps -e .; } >>"$log" 2>&1 ||
    { tail -n 15 "$log" >&2; fail "Installing failed; the whole log is in $log. Start again to go on."; }
  "$python" -m pip install --disable-pip-version-check --progress-bar off -r build/optional.txt >>"$log" 2>&1 ||
    echo "Left out, since it could not be built here (a C++ compiler is needed): $(tr '\n' ' ' <build/optional.txt)"
  printf '%s' "$wanted" >"$stamp"
fi

export JUPYTER_PREFER_ENV_PATH=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m audiosr_lib.runner "$@"
