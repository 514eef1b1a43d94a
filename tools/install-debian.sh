#!/usr/bin/env bash
# Installs, on Debian, the programs that the tests can use beside what pip brings. None of them has to be there: a test
# that needs one skips without it and says so.
#
#     tools/install-debian.sh            install what is missing (as root, or with sudo)
#     tools/install-debian.sh --list     say what it would be, and what for
#
# Ends with 0 if all programs are there afterwards, else with 1 and a list of what is not.
set -euo pipefail

# package | programs | what tests do with them
readonly WANTED=(
    "unzip|unzip|reads our archives"
    "zip|zip|alters our archives, as another program may"
    "p7zip-full|7z|reads our archives, writes foreign ones"
    "libarchive-tools|bsdtar|reads our archives"
    "xxhash|xxhsum|the reference value of XXH3-128"
    "ffmpeg|ffmpeg ffprobe|a second opinion on media that we write"
    "zbar-tools|zbarimg|reads the barcode in the test footage's frames"
    "build-essential|cc|compiles the reduced decoder of ProRes when the package is built (with Debian's Python, python3-dev too)"
    "nodejs|node|runs the review page's modules"
    "chromium|chromium|shows the review page"
    "postgresql|/usr/lib/postgresql/*/bin/initdb|keeps the metadata of repositories; the database of the Kitsu server, too"
    "redis-server|redis-server|its other store; the tests start both on ports of their own"
    "ceph-mon|ceph-mon monmaptool|a cluster in memory, started for the tests, under the server that speaks S3"
    "ceph-osd|ceph-osd|the part of it that keeps bytes"
    "ceph-common|ceph ceph-authtool|sets it up"
    "radosgw|radosgw radosgw-admin|the server that speaks S3, in whose buckets repositories keep contents"
    "xfsprogs|/usr/sbin/mkfs.xfs|a file system that shares blocks, in a file that root mounts"
    "udftools|/usr/bin/udfinfo|looks at the UDF images that volumes are burned from"
    "poppler-utils|pdftoppm pdftotext|shows the pages of an offload's PDF"
    "jdupes|jdupes|finds duplicates, for comparison (benchmarks)"
    "rdfind|rdfind|finds duplicates, for comparison (benchmarks)"
    "btrfs-progs|/usr/sbin/mkfs.btrfs|another one"
)

missing_programs() { # of one row, its programs that are not there
    local programs program
    IFS='|' read -r _ programs _ <<<"$1"
    for program in $programs; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

if [[ "${1:-}" == --list ]]; then
    for row in "${WANTED[@]}"; do
        IFS='|' read -r package programs purpose <<<"$row"
        printf '%-18s %-22s %s\n' "$package" "$programs" "$purpose"
    done
    exit 0
fi

packages=()
for row in "${WANTED[@]}"; do
    [[ -z "$(missing_programs "$row")" ]] || packages+=("${row%%|*}")
done
if ((${#packages[@]} == 0)); then
    echo "install-debian: everything is there."
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "install-debian: there is no apt-get here; install by other means: ${packages[*]}" >&2
    exit 1
fi
as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "install-debian: run this as root, or install sudo. Missing: ${packages[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" \
        </dev/null >>"$log" 2>&1
}

echo "install-debian: installing ${packages[*]}"
# An update that fails need not matter (one of several mirrors, a list that is fresh enough): the install tells.
apt update || echo "install-debian: the package lists could not be updated; going on with those that are there." >&2
if ! apt install --yes --no-install-recommends "${packages[@]}"; then
    echo "install-debian: installing together failed; trying one by one." >&2
    for package in "${packages[@]}"; do
        apt install --yes --no-install-recommends "$package" || echo "install-debian: $package could not be installed." >&2
    done
fi

status=0
for row in "${WANTED[@]}"; do
    absent=$(missing_programs "$row")
    if [[ -n "$absent" ]]; then
        echo "install-debian: not there: ${absent//$'\n'/ } (package ${row%%|*}); tests that need it will skip." >&2
        status=1
    fi
done
((status == 0)) || tail -n 5 "$log" >&2
exit "$status"
