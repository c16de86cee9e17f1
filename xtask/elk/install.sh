#!/bin/sh
# Puts Tocco below /udata, which updates of Elk Audio OS leave alone. Run it on the board, in the
# folder that the archive was unpacked into; once more for a new version. Files of your own stay.
#
#   sh install.sh                 to /udata/tocco
#   sh install.sh --autostart     and starts it with the board
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=${UDATA:-/udata}
place=$data/tocco

autostart=no
case "${1:-}" in
  "") ;;
  --autostart) autostart=yes ;;
  *)
    echo "error: $1: expected nothing or --autostart" >&2
    exit 2
    ;;
esac

if [ ! -d "$data" ] || [ ! -w "$data" ]; then
  echo "error: $data cannot be written; type: sudo chown -R mind:mind $data" >&2
  exit 1
fi
if [ "$(uname -m)" != aarch64 ]; then
  echo "error: this is a $(uname -m) machine; the archive is for a 64-bit Raspberry Pi 4 (aarch64)" >&2
  exit 1
fi
(cd "$here" && sha256sum -c --quiet SHA256SUMS) || {
  echo "error: files of the archive are damaged; copy it to the board again" >&2
  exit 1
}

mkdir -p "$place"
if [ "$here" != "$place" ]; then
  for part in plugins models samples licences; do
    mkdir -p "$place/$part"
    # What the archive has not is yours.
    for entry in "$here/$part"/*; do
      # A folder may be empty.
      [ -e "$entry" ] || continue
      name=$(basename "$entry")
      # In place when it is whole.
      rm -rf "$place/$part/.$name.new"
      cp -R "$entry" "$place/$part/.$name.new"
      rm -rf "${place:?}/$part/$name"
      mv "$place/$part/.$name.new" "$place/$part/$name"
    done
  done
  mkdir -p "$place/config"
  for file in "$here"/config/*; do
    target=$place/config/$(basename "$file")
    # What was edited stays; the new one lies beside it.
    if [ -e "$target" ] && ! cmp -s "$file" "$target"; then
      target=$target.new
      echo "kept your $place/config/$(basename "$file"); the archive's is $target"
    fi
    cp "$file" "$target"
  done
  cp "$here/start.sh" "$here/README.md" "$here/ENGINES.md" "$here/LICENSE" "$place/"
fi
chmod +x "$place/start.sh"
echo "installed in $place; start it with: $place/start.sh"

if [ "$autostart" = yes ]; then
  if [ -e "$data/autostart.sh" ] && ! cmp -s "$here/autostart.sh" "$data/autostart.sh"; then
    # Edited, to play another configuration. A line that begins with # calls nothing.
    if grep -v '^[[:space:]]*#' "$data/autostart.sh" | grep -qF "$place/start.sh"; then
      echo "kept your $data/autostart.sh, which calls $place/start.sh"
      exit 0
    fi
    echo "error: $data/autostart.sh is there and is not Tocco's; add this line to it yourself:" >&2
    echo "  $place/start.sh" >&2
    exit 1
  fi
  cp "$here/autostart.sh" "$data/autostart.sh"
  chmod +x "$data/autostart.sh"
  echo "$data/autostart.sh starts it with the board"
fi
