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
# Some that fail, since what is more urgent leaves them no time, and one that was cancelled.
for name in first second third; do
    curl -sf -d '{"input":"late","algorithm":"pbkdf2-hmac-sha256","salt":"s","iterations":10000000,"deadline_seconds":1,"priority":-9,"name":"'"$name"'"}' \
        -H 'content-type: application/json' "$page/tasks" >>"$work/task"
done
curl -sf -d '{"input":"too much","priority":-9,"name":"a mistake"}' -H 'content-type: application/json' "$page/tasks" | grep -o '"id":[0-9]*' | cut -d: -f2 |
    xargs -I ID curl -sf -X POST "$page/tasks/ID/cancel" >>"$work/task"
# The throughput is drawn from half a minute on, and the stream is full after a minute.
sleep 60

shot() { # FILE WIDTH HEIGHT PATH SETTING...
    local file=$1 size=$2,$3 path=$4
    shift 4
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
        --disable-background-networking --disable-component-update --hide-scrollbars --timeout=6000 \
        --user-data-dir="$work/$file" --window-size="$size" \
        --blink-settings="$(IFS=,; echo "$*")" --screenshot="$PWD/docs/images/$file.png" "$page$path" 2>/dev/null
}
light=preferredColorScheme=1 dark=preferredColorScheme=0
mkdir -p docs/images
shot admin 1280 1180 /admin "$light"
shot dark 1280 1180 /admin "$dark"
shot narrow 400 1800 /admin "$light"
shot task 1280 1400 /admin/tasks/3 "$light"
shot stream 1280 760 /admin/stream "$light"
shot tasks 1280 1000 /admin/tasks "$light"
shot drones 1280 760 /admin/drones "$light"
shot failures 1280 600 /admin/failures "$light"
shot search 1280 1180 /admin/search "$light"
