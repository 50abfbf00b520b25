#!/bin/sh
# Builds both programs into bin/ and says meanwhile how far it is: a first
# build compiles some thousand packages and takes minutes.
set -eu
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)

command -v go >/dev/null 2>&1 || { echo "clew is written in Go: install Go 1.26 or newer first" >&2; exit 1; }

mkdir -p bin .cache
log=.cache/build.log
: >"$log"
printf 'building clew and clew-agent ...\n'

# The count of packages needs the modules, which may have to be downloaded.
( go list -deps ./cmd/clew ./cmd/clew-agent 2>>"$log" | wc -l >.cache/packages ) || true
total=$(cat .cache/packages)

go build -v -ldflags "-s -w -X main.version=$version" -o bin/ ./cmd/clew ./cmd/clew-agent 2>>"$log" &
build=$!
start=$(date +%s)
while kill -0 "$build" 2>/dev/null; do
  sleep 1
  waited=$(( $(date +%s) - start ))
  [ $((waited % 5)) -eq 0 ] || continue
  compiled=$(grep -vc '^go: ' "$log" || true)
  fetched=$(grep -c '^go: downloading' "$log" || true)
  printf '  %3d s: %d modules fetched, %d of at most %d packages compiled\n' "$waited" "$fetched" "$compiled" "$total"
done
if ! wait "$build"; then
  echo "the build failed; the end of $log says:" >&2
  tail -n 30 "$log" >&2
  exit 1
fi
printf 'built bin/clew and bin/clew-agent in %d s\n' $(( $(date +%s) - start ))
