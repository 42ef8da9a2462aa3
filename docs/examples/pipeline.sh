#!/usr/bin/env bash
# Replaces a column of a table by pseudonyms: by the HMAC-SHA-256 of each value, under a key that stays with its owner.
# Who has the key finds a person again, who has the table alone does not; equal values stay equal, so that tables
# can still be joined.
#
#     docs/examples/pipeline.sh key.txt 2 < customers.tsv > pseudonyms.tsv
#
# The table is of lines, its columns are separated by tabs, and columns count from 1. Capitals make no difference, as is
# usual with addresses of e-mail. The Queen is at HIVE_URL, http://127.0.0.1:8081 unless it says otherwise; HIVE_CA is a file
# with the certificate of her authority, HIVE_TOKEN_FILE one with a token. A token goes over plain http:// to this machine
# alone, unless HIVE_ALLOW_PLAIN_HTTP is 1. Once she has the column, a Queen who is killed and started again within five
# minutes (HIVE_PATIENCE, in seconds) costs nothing but time.
#
# Needs bash, curl 7.84 or newer, coreutils, grep, and awk.
set -euo pipefail

url=${HIVE_URL:-http://127.0.0.1:8081} patience=${HIVE_PATIENCE:-300}
fail() { printf 'pipeline.sh: %s\n' "$*" >&2; exit 1; }
(($# == 2)) && [[ $2 =~ ^[1-9][0-9]*$ ]] || fail 'usage: pipeline.sh KEY_FILE COLUMN < TABLE'
key_file=$1 column=$2
for tool in curl awk; do
    command -v "$tool" >/dev/null || fail "this needs $tool: apt-get install $tool"
done

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Keys and tokens are no arguments, since others see command lines.
printf 'Hive-Key: %s\n' "$(<"$key_file")" >"$folder/header"
if [[ -n ${HIVE_TOKEN_FILE:-} ]]; then
    local='^(http://)?(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?/?$'
    [[ $url == https://* || $url =~ $local || ${HIVE_ALLOW_PLAIN_HTTP:-} == 1 ]] ||
        fail "the token is not sent to $url, since others could read it on its way: use https://, or set HIVE_ALLOW_PLAIN_HTTP=1"
    printf 'Authorization: Bearer %s\n' "$(<"$HIVE_TOKEN_FILE")" >>"$folder/header"
fi
curl=(curl --silent --output "$folder/answer" --header "@$folder/header")
[[ -z ${HIVE_CA:-} ]] || curl+=(--cacert "$HIVE_CA")

# The column is sent while it is read, and no longer than it is read.
task=$(
    tee "$folder/table" | cut -f "$column" | tr '[:upper:]' '[:lower:]' |
        "${curl[@]}" --show-error --fail-with-body --request POST --upload-file - --header 'Content-Type: text/plain' \
            --write-out '%header{location}' "$url/tasks?algorithm=hmac-sha256&name=pseudonyms"
) || fail "the Queen did not take it: $(cat "$folder/answer" 2>/dev/null)"

# get PATH [ARGUMENT...]: the answer is in the file. Errors of the connection are tried again, and so are 408, 429 and 5xx
# that pass; what else is not 200 is the end.
get() {
    local status
    status=$(
        "${curl[@]}" --retry 9999 --retry-all-errors --retry-delay 1 --retry-max-time "$patience" \
            --write-out '%{http_code}' "$url$1" "${@:2}"
    ) || fail "the Queen at $url cannot be reached any more; what she computes is $1"
    [[ $status == 200 ]] || fail "$1 is refused with $status: $(<"$folder/answer")"
}

while get "$task" --header 'Prefer: wait=60' && ! grep -q '"state":"done"' "$folder/answer"; do
    ! grep -E '"state":"(failed|cancelled)"' "$folder/answer" >&2 || fail "this task will never be done"
    sleep 1
done
get "$task/results?format=text"

# Results come in the order of the lines. Of each, the digest is what stands before the two spaces.
cut -c -64 "$folder/answer" |
    awk -v table="$folder/table" -v column="$column" '
        BEGIN { FS = OFS = "\t" }
        { digest = $1; if ((getline < table) <= 0 || NF < column) exit 1; $column = digest; print }' ||
    fail "line by line, the results do not belong to the table: has each of its lines $column columns?"
