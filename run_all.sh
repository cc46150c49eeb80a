#!/usr/bin/env bash
# One command from a fresh machine to every figure and table: sets up Python, then hands over to audiosr_lib/study/runner.py.
# Options: ./run_all.sh --help
set -euo pipefail

# The runner shows this command again, and reads relative paths from where the user stands.
case "$0" in */*) AUDIOSR_COMMAND="$(printf %q "$0")" ;; *) AUDIOSR_COMMAND="bash $(printf %q "$0")" ;; esac
export AUDIOSR_COMMAND AUDIOSR_STANDS_IN="$PWD"
case "${AUDIOSR_HOME:-}" in "" | /* | "~"*) ;; *) export AUDIOSR_HOME="$PWD/$AUDIOSR_HOME" ;; esac

# To the project's folder, also when this script is called through a link.
script="${BASH_SOURCE[0]}"
while [ -L "$script" ]; do
  link="$(readlink "$script")"
  case "$link" in /*) script="$link" ;; *) script="$(dirname "$script")/$link" ;; esac
done
CDPATH="" cd -- "$(dirname "$script")" >/dev/null

fail() { printf '%s\n' "$*" >&2; exit 1; }
trap 'echo; echo "Interrupted. Start again to go on." >&2; exit 130' INT

# A Python from 3.11 to 3.14: that of the active environment, else the first that is found.
suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
active="${VIRTUAL_ENV:-}"
if [ -z "$active" ] && [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-base}" != base ]; then active="$CONDA_PREFIX"; fi
if [ -n "$active" ]; then
  base="$active/bin/python"
  suitable "$base" || fail "The active environment $(basename "$active") has no Python from 3.11 to 3.14. Deactivate it, or make one that has."
else
  base=""
  for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if suitable "$candidate"; then base="$candidate"; break; fi
  done
  [ -n "$base" ] || fail "No Python from 3.11 to 3.14 was found: install one (Debian, Ubuntu: apt install python3 python3-venv)."
fi

# Options are checked before anything is installed; this also answers --help.
for option in "$@"; do case "$option" in -h|--help) exec "$base" -m audiosr_lib.study.runner --help ;; esac; done
"$base" -m audiosr_lib.study.runner --check "$@"

# The environment: the active one, or .venv. It is installed once; a changed lock or pyproject.toml installs again.
environment="${active:-$PWD/.venv}"
python="$environment/bin/python"
stamp="$environment/.audiosr-installed"
wanted="$(cksum requirements.txt pyproject.toml) $PWD"
if ! { [ -x "$python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; }; then
  mkdir -p build || fail "The folder $PWD cannot be written: copy the project to a folder of yours, and start there."
  exec 9>build/installing
  "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null ||
    fail "Another start installs the packages in this folder: wait until it ends, and start again."
  log=build/setup.log
  if [ -n "$active" ]; then
    echo "The active environment $(basename "$active") gets the $(grep -c == requirements.txt) packages of requirements.txt, in these versions, and audiosr-lib."
    echo "To keep it as it is, press Ctrl-C now, deactivate it and start again: a .venv of the project's own is then made."
    sleep 5
  elif [ ! -x "$python" ]; then
    "$base" -m venv "$environment" >"$log" 2>&1 ||
      { rm -rf "$environment"; fail "Could not make a virtual environment (Debian, Ubuntu: apt install python3-venv). See $log"; }
  fi
  echo "Installing the pinned packages (some minutes, only the first time; log in $log) ..."
  pip() { "$python" -m pip install --disable-pip-version-check --progress-bar off "$@" >>"$log" 2>&1; }
  pip -r requirements.txt -e . ||
    { tail -n 15 "$log" >&2; fail "Installing failed; the whole log is in $log. Start again to go on."; }
  pip -e ".[perceptual]" ||
    echo "ViSQOL could not be built here (it needs a C++ compiler): notebook 11 leaves the perceptual score out."
  printf '%s' "$wanted" >"$stamp"
  exec 9>&- # from here on another start may install
fi

export JUPYTER_PREFER_ENV_PATH=1
exec "$python" -m audiosr_lib.study.runner "$@"
