#!/usr/bin/env bash
# Two machines, made of network namespaces on this one: the Queen is on the first, Drones and a client are on the
# second, and all that goes from one to the other is the join file, the authority's certificate and a token, as
# `queen init` says. Prints what is typed and what comes of it; fails if anything is not as it has to be.
#
# Needs Linux, ip (iproute2), curl, and the right to make namespaces: root, or user namespaces without it.
# Usage: docs/two-machines.sh [FOLDER OF THE PROGRAMS, default target/debug]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=$(realpath "${1:-target/debug}")
if [[ ${HIVE_APART:-} != yes ]]; then
    # The first machine is a namespace of its own as well, so that nothing of this one is touched.
    exec env HIVE_APART=yes PATH="$programs:$PATH" unshare --user --map-root-user --net --mount \
        "${BASH_SOURCE[0]}" "$programs"
fi

folder=$(mktemp -d)
first=$folder/first second=$folder/second
mkdir -m 700 "$first" "$second"
running=()
finish() {
    status=$?
    # They may be gone already.
    kill "${running[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    ((status == 0)) || tail -n 20 "$folder"/*.log
    rm -rf "$folder"
}
trap finish EXIT

# What runs on the second machine.
unshare --net sleep infinity &
other=$!
running+=("$other")
until [[ $(readlink "/proc/$other/ns/net") != "$(readlink /proc/self/ns/net)" ]]; do :; done
on_second() { (cd "$second" && exec nsenter --target "$other" --net -- "$@"); }

ip link set lo up
ip link add hive0 type veth peer name hive1 netns "$other"
ip addr add 192.0.2.1/24 dev hive0
ip link set hive0 up
on_second ip link set lo up
on_second ip addr add 192.0.2.2/24 dev hive1
on_second ip link set hive1 up

# What is typed is shown, wherever what comes of it goes.
exec 3>&1
say() { printf '\n# %s\n' "$*" >&3; }
typed() { printf '%s$ %s\n' "$1" "${*:2}" >&3; }
quoted() { for word in "$@"; do [[ $word == *[!A-Za-z0-9_.:/@?=-]* ]] && printf " '%s'" "$word" || printf ' %s' "$word"; done; }
first() { typed first "$(quoted "$@" | cut -c2-)"; (cd "$first" && "$@"); }
second() { typed second "$(quoted "$@" | cut -c2-)"; on_second "$@"; }
fail() { printf 'two-machines: %s\n' "$*" >&2; exit 1; }
# await FILE TEXT: until a log says so, or its program has ended.
await() {
    for _ in {1..600}; do
        grep -qs -- "$2" "$folder/$1.log" && return
        sleep 0.1
    done
    fail "$1 never said: $2"
}

say "Nobody beyond this machine is let in unless it is set up"
if first queen --http-addr 192.0.2.1:8081 2>"$folder/refused.log"; then fail "an open Queen started"; fi
grep -q 'queen init' "$folder/refused.log" || fail "the refusal does not say what to do"
cat "$folder/refused.log"

say "One command sets it up"
first queen init --host hive.example >"$first/token" 2>"$folder/init.log"
cat "$folder/init.log"
printf '(the token is in the file token)\n'

say "The Queen"
(cd "$first" && exec queen --drone-addr 192.0.2.1:8080 --http-addr 192.0.2.1:8081) >"$folder/queen.log" 2>&1 &
running+=($!)
typed first 'queen --drone-addr 192.0.2.1:8080 --http-addr 192.0.2.1:8081'
await queen "admin page"

say "What goes to the second machine"
cp -p "$first/hive.join" "$first/hive-data/authority.pem" "$first/token" "$second/"
printf 'Authorization: Bearer %s\n' "$(cat "$second/token")" >"$second/header"
chmod 600 "$second/header"
second ls -l

say "A drone without the join file is not let in, one with it is"
(on_second drone --queen 192.0.2.1:8080 --name stranger) >"$folder/stranger.log" 2>&1 &
stranger=$!
running+=("$stranger")
typed second 'drone --queen 192.0.2.1:8080 --name stranger'
await stranger "--join"
kill "$stranger"
grep -- --join "$folder/stranger.log"
(on_second drone --queen 192.0.2.1:8080 --join hive.join --name worker) >"$folder/worker.log" 2>&1 &
running+=($!)
typed second 'drone --queen 192.0.2.1:8080 --join hive.join --name worker'
await worker "Connected to the Queen"
grep "Connected to the Queen" "$folder/worker.log"

say "A client on the second machine"
url=https://192.0.2.1:8081
status() { on_second curl -s -o "$second/answer" -w '%{http_code}' "$@"; }
[[ $(status --cacert authority.pem "$url/tasks") == 401 ]] || fail "no token was needed"
[[ $(status --cacert authority.pem -H 'Authorization: Bearer hive_1_guessed' "$url/tasks") == 401 ]] || fail "any token will do"
if on_second curl -s -o /dev/null "$url/tasks"; then fail "a foreign certificate was taken"; fi
[[ $(status http://192.0.2.1:8081/tasks) == 400 ]] || fail "plain HTTP was answered otherwise"
second curl -s --cacert authority.pem -H @header -H 'Prefer: wait=30' -d '{"input":"honey"}' "$url/tasks" | tee "$second/answer"
grep -q "$(printf honey | sha256sum | cut -d' ' -f1)" "$second/answer" || fail "the digest is wrong"
second curl -s --cacert authority.pem --resolve hive.example:8081:192.0.2.1 -H @header https://hive.example:8081/stats \
    >"$second/answer"
grep -q '"drones":1' "$second/answer" || fail "there is not one drone"
second curl -s --cacert authority.pem -H @header "$url/log?kind=guess&limit=1" | tee "$second/answer"
grep -q '"outcome"' "$second/answer" || fail "the audit trail has no guess"

say "What was given can be taken back"
first queen secret revoke drones
await worker "revoked"
grep "revoked" "$folder/worker.log" | head -n 1
first queen token revoke admin
[[ $(status --cacert authority.pem -H @header "$url/tasks") == 401 ]] || fail "a revoked token was taken"
say "All as it has to be"
