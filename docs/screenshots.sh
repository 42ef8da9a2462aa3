#!/usr/bin/env bash
# Makes docs/images/*.png from a running demo. Needs Debian's chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --release --locked --bins
work=$(mktemp -d)
target/release/queen demo --drone-addr 127.0.0.1:0 --http-addr 127.0.0.1:0 >"$work/console" &
demo=$!
trap 'kill "$demo" 2>/dev/null; rm -rf "$work"' EXIT
until page=$(grep -o 'Have a look: http://[^/]*' "$work/console"); do
    kill -0 "$demo"
    sleep 0.2
done
page=${page#Have a look: }
# Something that is still at work, and something that is less urgent and waits.
seq 1 400000 | curl -sf --data-binary @- -H 'content-type: text/plain' -H 'hive-salt: pepper' \
    "$page/tasks?name=legacy+passwords&algorithm=pbkdf2-hmac-sha256&iterations=20000" >"$work/task"
seq 1 3000000 | sed 's/$/@users.example/' | curl -sf --data-binary @- -H 'content-type: text/plain' \
    "$page/tasks?name=pseudonyms&priority=-5" >>"$work/task"
# The throughput is drawn from half a minute on.
sleep 45

shot() { # FILE WIDTH HEIGHT DARK PATH
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
        --disable-background-networking --disable-component-update --hide-scrollbars \
        --user-data-dir="$work/$1" --window-size="$2,$3" \
        --blink-settings=preferredColorScheme="$4" --screenshot="$PWD/docs/images/$1.png" "$page$5" 2>/dev/null
}
mkdir -p docs/images
shot admin 1280 1180 1 /admin
shot dark 1280 1180 0 /admin
shot narrow 400 1800 1 /admin
shot task 1280 1180 1 /admin/tasks/2
