#!/bin/sh
# Starts Sushi with one of Tocco's configurations:
#
#   start.sh [mono|stereo|drums|osc|lesson] [further options of Sushi]
#
# SUSHI names another Sushi, such as that of another block size: SUSHI=sushi_b32 start.sh mono
set -eu

place=$(cd "$(dirname "$0")" && pwd)
name=${1:-mono}
[ $# -eq 0 ] || shift
config=$place/config/$name.json
if [ ! -f "$config" ]; then
  echo "error: there is no $config; there are:" "$(cd "$place/config" && ls ./*.json)" >&2
  exit 1
fi
# Read by Tocco: where lessons are kept, and more.
if [ -f "$place/config/tocco.toml" ]; then
  export TOCCO_CONFIG="$place/config/tocco.toml"
fi
# Sushi's control by gRPC would listen on every network; its OSC port (24024) can only be switched off.
case $name in
  osc) osc= ;;
  *) osc=--disable-osc ;;
esac
# shellcheck disable=SC2086 # an empty word is no option
exec "${SUSHI:-sushi}" -r --grpc-address=127.0.0.1:51051 $osc -c "$config" "$@"
