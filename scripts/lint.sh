#!/bin/sh
# Formatting, go vet and staticcheck over the whole project.
set -eu
cd "$(dirname "$0")/.."
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.7.0

unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
  printf 'not formatted; run gofmt -w on:\n%s\n' "$unformatted" >&2
  exit 1
fi
go vet ./...
mkdir -p .cache/bin
[ -x .cache/bin/staticcheck ] || GOBIN="$PWD/.cache/bin" go install "$STATICCHECK"
.cache/bin/staticcheck ./...
