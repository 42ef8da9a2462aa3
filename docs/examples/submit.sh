#!/usr/bin/env bash
# Submits the lines of a file, waits for the task, and prints its results as sha256sum would.
#
#     docs/examples/submit.sh lines.txt algorithm=sha256d priority=5 > digests.txt
#     seq 1000000 | docs/examples/submit.sh - > digests.txt
#
# What follows the file are options of the API (docs/API.md). The Queen is at HIVE_URL, http://127.0.0.1:8081 unless it
# says otherwise; HIVE_CA is a file with the certificate of her authority, HIVE_TOKEN_FILE one with a token. A Queen who is
# killed and started again within five minutes (HIVE_PATIENCE, in seconds) costs nothing but time. A token goes over plain
# http:// to this machine alone, unless HIVE_ALLOW_PLAIN_HTTP is 1.
#
# Exit codes: 0 done, 1 the task failed or was cancelled, 2 wrong usage, 3 the Queen cannot be reached or
# answers 5xx, 4 she refuses.
# Needs bash, curl 7.87 or newer, and coreutils.
set -euo pipefail

url=${HIVE_URL:-http://127.0.0.1:8081} patience=${HIVE_PATIENCE:-300}
fail() { printf 'submit.sh: %s\n' "$2" >&2; exit "$1"; }
(($# > 0)) || fail 2 'usage: submit.sh FILE|- [OPTION=VALUE]...'
file=$1
shift

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Errors of the connection are tried again, and so are 408, 429 and 5xx, when Retry-After says, if the Queen does. An
# answer that breaks off is begun anew, which is why answers go into a file.
curl=(curl --silent --output "$folder/answer" --retry 9999 --retry-all-errors --retry-delay 1)
curl+=(--retry-max-time "$patience")
ca=()
[[ -z ${HIVE_CA:-} ]] || ca=(--cacert "$HIVE_CA")
curl+=("${ca[@]}")
if [[ -n ${HIVE_TOKEN_FILE:-} ]]; then
    local='^(http://)?(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?/?$'
    [[ $url == https://* || $url =~ $local || ${HIVE_ALLOW_PLAIN_HTTP:-} == 1 ]] ||
        fail 2 "the token is not sent to $url, since others could read it on its way: use https://, or set HIVE_ALLOW_PLAIN_HTTP=1"
    # Others see command lines, but not this file.
    printf 'Authorization: Bearer %s\n' "$(<"$HIVE_TOKEN_FILE")" >"$folder/header"
    curl+=(--header "@$folder/header")
fi

# A Queen who is away may come back (35 is a handshake that breaks off, too); a certificate does not become right by waiting.
status=0
curl --silent --show-error --max-time 10 --output /dev/null "${ca[@]}" "$url/healthz" || status=$?
case $status in
    0) ;;
    51 | 58 | 59 | 60 | 77) fail 3 "the Queen at $url is not trusted: HIVE_CA names what knows her" ;;
    *) printf 'submit.sh: trying again for %s seconds\n' "$patience" >&2 ;;
esac

# request ARGUMENT...: the answer is in the file, its Location in $location.
request() {
    local status begun=$SECONDS
    while read -r status location < <("${curl[@]}" --write-out '%{http_code} %header{location}\n' "$@"); do
        # She is still busy with the same request, whose connection broke.
        ((status == 409 && SECONDS - begun < patience)) || break
        sleep 1
    done
    case $status in
        2??) ;;
        4??) fail 4 "refused with $status: $(<"$folder/answer")" ;;
        000) fail 3 "the Queen at $url cannot be reached, or not trusted: HIVE_CA names what knows her" ;;
        *) fail 3 "the Queen answers $status: $(<"$folder/answer")" ;;
    esac
}

# What comes from a pipe could not be sent again.
if [[ $file == - ]]; then
    file=$folder/lines
    cat >"$file"
fi
[[ -r $file && ! -d $file ]] || fail 2 "cannot read $file"
options=()
for option in "$@"; do
    [[ $option == ?*=* ]] || fail 2 "$option is no OPTION=VALUE"
    options+=(--url-query "$option")
done

# With the key, what is sent again is the same task. --upload-file streams, where --data-binary would read all of the file
# into memory first.
read -r key </proc/sys/kernel/random/uuid
request --request POST --upload-file "$file" --header 'Content-Type: text/plain' --header "Idempotency-Key: \"$key\"" \
    "${options[@]}" "$url/tasks"
task=$url$location

state=
until [[ $state == done ]]; do
    request --header 'Prefer: wait=30' "$task"
    state=$(grep -o '"state":"[a-z]*"' "$folder/answer" | head -n 1 | cut -d '"' -f 4)
    [[ $state != failed && $state != cancelled ]] || fail 1 "${location#/} $state: $(<"$folder/answer")"
done

request "$task/results?format=text"
cat "$folder/answer"
