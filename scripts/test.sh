#!/bin/sh
# Everything that decides whether a change is good: lint, a build, and all
# tests, those of our own code under the race detector.
set -eu
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

# Debian's packages that the tests run for real.
need() { # program, package
  command -v "$1" >/dev/null 2>&1 && return
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$2" >/dev/null
  else
    echo "the tests run a real $1: install the package $2" >&2
    exit 1
  fi
}

step 'what the tests need'
need gcc gcc
need chromium chromium
need python3 python3-venv
need journalctl systemd
need /lib/systemd/systemd-journal-remote systemd-journal-remote
need javac openjdk-17-jdk-headless
need mvn maven

step 'lint'
scripts/lint.sh

step 'build'
scripts/build.sh

# The agent is the Collector's code for the most part: testing it under the
# race detector would compile all of that once more. What realtest tests is how
# clew and an Elasticsearch get on; the code of clew's side has tests beside it.
step 'tests under the race detector'
go test -race -timeout 20m $(go list ./... | grep -v -e '/agent' -e '/cmd/' -e '/deploy' -e '/realtest')

step 'tests of the programs'
go test -timeout 20m $(go list ./... | grep -e '/agent' -e '/cmd/' -e '/deploy' -e '/realtest')
