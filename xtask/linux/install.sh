#!/bin/sh
# Puts Tocco where your hosts look, for you alone: no root is needed. Run it in the folder that the
# archive was unpacked into; once more for a new version. Your presets and lessons stay.
#
#   sh install.sh             installs
#   sh install.sh --remove    takes away what this has put there
set -eu

# An exported CDPATH would lead elsewhere, and print where.
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)
: "${HOME:?is not set; set it to the folder of the user whose hosts are meant}"
data=${XDG_DATA_HOME:-$HOME/.local/share}/tocco

# Where that lies until it is whole which is to become this file or folder.
unfinished() {
  echo "$(dirname "$1")/.$(basename "$1").new"
}

# Takes away what was put there, and what an installation left that was ended in the middle.
take() {
  rm -rf "$1" "$(unfinished "$1")"
}

case "${1:-}" in
  "") ;;
  --remove)
    take "$HOME/.clap/Tocco.clap"
    take "$HOME/.vst3/Tocco.vst3"
    # An archive without the program has put none there.
    if [ -e "$here/bin/tocco" ]; then
      take "$HOME/.local/bin/tocco"
    fi
    for file in guide.html play.png setup.png; do
      take "$data/$file"
    done
    # Models of your own stay, too.
    for model in "$here/models"/*; do
      take "$data/models/$(basename "$model")"
    done
    rmdir "$data/models" 2>/dev/null || true
    echo "removed; presets, lessons and models of your own in $data stay"
    exit 0
    ;;
  *)
    echo "error: $1: expected nothing or --remove" >&2
    exit 2
    ;;
esac

(cd "$here" && sha256sum -c --quiet SHA256SUMS) || {
  echo "error: files of the archive are damaged; fetch it again" >&2
  exit 1
}
machine=$(uname -m)
if [ ! -d "$here/Tocco.vst3/Contents/$machine-linux" ]; then
  made=$(ls "$here/Tocco.vst3/Contents")
  echo "error: this is a $machine machine: expected plugins for $machine-linux, found them for $made;" \
    "fetch the archive for $machine" >&2
  exit 1
fi
# Which C library the plugins were linked for: an older one does not load them. Another one than glibc is not
# asked.
needed=$(cat "$here/glibc.txt" 2>/dev/null || true)
found=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d " " -f 2)
if [ -n "$needed" ] && [ -n "$found" ] &&
  [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
  echo "error: expected glibc $needed or newer, found $found: it is of an older system than the archive;" \
    "take a newer system, or build Tocco on this one" >&2
  exit 1
fi

# In place when it is whole.
put() {
  new=$(unfinished "$2")
  mkdir -p "$(dirname "$2")"
  rm -rf "$new"
  cp -R "$1" "$new" || {
    # A disk that is full is not to be kept full by what is of no use.
    rm -rf "$new"
    echo "error: $2 cannot be written: see above; what was there before still is" >&2
    exit 1
  }
  rm -rf "$2"
  mv "$new" "$2"
}

put "$here/Tocco.clap" "$HOME/.clap/Tocco.clap"
put "$here/Tocco.vst3" "$HOME/.vst3/Tocco.vst3"
for model in "$here/models"/*; do
  [ -e "$model" ] || continue
  put "$model" "$data/models/$(basename "$model")"
done
for file in guide.html play.png setup.png; do
  [ -e "$here/$file" ] && put "$here/$file" "$data/$file"
done
echo "installed ~/.clap/Tocco.clap and ~/.vst3/Tocco.vst3: rescan the plugins in your host"
if [ -e "$here/bin/tocco" ]; then
  put "$here/bin/tocco" "$HOME/.local/bin/tocco"
  chmod +x "$HOME/.local/bin/tocco"
  echo "installed ~/.local/bin/tocco, which needs no host"
  # It is linked with both libraries, and not even begins without one of them.
  "$HOME/.local/bin/tocco" --version >/dev/null 2>&1 || {
    echo "note: tocco does not begin yet; it needs the libraries of ALSA and JACK. As root, on Debian and its kin:"
    echo "  apt-get install libasound2 libjack-jackd2-0"
    echo "  (since Debian 13 and Ubuntu 24.04 the first is called libasound2t64)"
  }
  # Debian's shells look there from the next login on, once it is there.
  case ":$PATH:" in
    *":$HOME/.local/bin:"*) ;;
    *) echo "note: ~/.local/bin is not in PATH yet: log in once more, or type ~/.local/bin/tocco" ;;
  esac
fi
echo "the guide is $data/guide.html"
