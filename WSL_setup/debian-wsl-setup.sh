#!/usr/bin/env bash
# Make a Debian (or Ubuntu) in WSL ready for the plate ingest: Python, FFmpeg, MediaInfo, and the package with OpenImageIO
# and OpenColorIO, which bring oiiotool and the ACES 1.3 configs. Run from a checkout, as a user who may use sudo:
#
#     ./debian-wsl-setup.sh [FOLDER OF THE VIRTUAL ENVIRONMENT]
#
# It can be run again; what is there already is left as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${1:-$HOME/ded-io-venv}
rc=$HOME/.bashrc

if ! command -v apt-get >/dev/null; then
    echo "This is no Debian or Ubuntu: apt-get is not there. Nothing was changed." >&2
    exit 1
fi

sudo apt-get update
sudo apt-get install -y --no-install-recommends python3 python3-venv python3-dev build-essential ffmpeg mediainfo

python=$(command -v python3)
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old; 3.11 is needed (Debian 12 and later, Ubuntu 24.04 and later have it)." >&2
    exit 1
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --upgrade pip
"$venv/bin/python" -m pip install -e "$here"

line="export PATH=\"$venv/bin:\$PATH\""
grep -qxF "$line" "$rc" 2>/dev/null || printf '\n# plate ingest\n%s\n' "$line" >>"$rc"

exporter="/mnt/c/Program Files/Sony/RAW Viewer/rawexporter.exe"
if [ -e "$exporter" ]; then
    echo "Sony's exporter: $exporter"
else
    echo "Sony RAW Viewer is not installed on Windows; X-OCN needs it, ProRes, XAVC, DNxHR and image sequences do not."
fi
"$venv/bin/python" "$here/setup_check.py"
echo "Done. Reload the shell: source ~/.bashrc"
