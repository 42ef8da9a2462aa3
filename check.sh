#!/usr/bin/env bash
# Everything that must be true of this tree, in one command. Needs Rust (rustup's stable, with
# clippy and rustfmt); fetches what else it needs: into target/tools, and Debian's Chromium and Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cargo_deny=0.20.2

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-$([[ -t 1 ]] && echo always || echo never)}
export CARGO_TERM_PROGRESS_WHEN=never
export GIT_TERMINAL_PROMPT=0
exec </dev/null

skipped=()
current="setting up"

say() { printf 'check: %s\n' "$*"; }
skip() { skipped+=("$1"); say "skipped: $1"; }
trap 'status=$?; ((status == 0)) || say "FAILED at: $current"' EXIT

# step NAME COMMAND...: runs it, says how long it took.
step() {
    current=$1
    shift
    local start=$SECONDS skips=${#skipped[@]}
    say "$current ..."
    "$@"
    ((${#skipped[@]} > skips)) || say "$current: ok, $((SECONDS - start)) s"
}

run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --all-features --locked --no-fail-fast "$@"
    else
        cargo test --all-features --locked --no-fail-fast --lib --bins --tests "$@"
    fi
}

# Private items too: who reads these pages works on the code.
docs() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --workspace --all-features --no-deps --document-private-items --locked
}

# Built without optimisation, which takes a minute or two, once.
install_deny() {
    deny=(target/tools/bin/cargo-deny --log-level warn)
    [[ "$("${deny[0]}" --version 2>/dev/null)" == "cargo-deny $cargo_deny" ]] && return
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root target/tools "cargo-deny@$cargo_deny"
}

# The list of advisories is a git repository elsewhere: fetched if that can be done, else as it was last.
advisories() {
    local databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
    if ! timeout 60 "${deny[@]}" fetch db >/dev/null 2>&1 && ! compgen -G "$databases/*/" >/dev/null; then
        skip "advisories of the dependencies, because the advisory database cannot be fetched from here"
        return
    fi
    "${deny[@]}" --offline check advisories
}

# The page is tested in a browser, the protocol's page by the Drone that stands in it, and docs/examples by running it.
install_tools() {
    local root=() missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    command -v python3 >/dev/null || missing+=(python3)
    command -v curl >/dev/null || missing+=(curl)
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            say "the tests need these Debian packages, which you may have to install: ${missing[*]}" >&2
            return 1
        fi
        root=(sudo -n)
    fi
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Set up over a network as a user would, where namespaces can be made.
two_machines() {
    if ! command -v ip >/dev/null; then
        skip "two machines, because there is no ip (iproute2)"
    elif ! unshare --user --map-root-user --net --mount ip link add hive0 type veth peer name hive1 2>/dev/null; then
        skip "two machines, because this one lets no namespaces with networks be made"
    else
        docs/two-machines.sh >/dev/null
    fi
}

# Unpacked where it is not installed, since Debian's package would start a Prometheus.
find_promtool() {
    local folder=target/tools/prometheus
    HIVE_PROMTOOL=$(command -v promtool || echo "$PWD/$folder/usr/bin/promtool")
    if [[ ! -x $HIVE_PROMTOOL ]]; then
        mkdir -p "$folder"
        (cd "$folder" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .) >/dev/null 2>&1 || true
    fi
    [[ -x $HIVE_PROMTOOL ]] && export HIVE_PROMTOOL && return
    unset HIVE_PROMTOOL
    skip "metrics and alert rules by promtool, because it is not here (Debian's package prometheus)"
}

alert_rules() {
    [[ -n ${HIVE_PROMTOOL:-} ]] || return 0
    "$HIVE_PROMTOOL" check rules docs/monitoring/alerts.yml >/dev/null
    (cd docs/monitoring && "$HIVE_PROMTOOL" test rules alerts.test.yml >/dev/null)
}

step "format" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
# Whether the mutations that the simulation has to notice are still of code that is there.
step "mutations apply" queen/src/hive/simulation/mutations.sh --check
# As most build it: without the client, which is a feature.
step "without the client" cargo check --workspace --locked
# As for a CPU for which there are no kernels but the portable one.
step "without kernels of a CPU" cargo rustc -p drone --lib --profile check --locked -- --cfg hive_portable -D warnings
# The tests start the binaries, `drone` and `hive` beside `queen`. All features everywhere, or they would be built again.
step "binaries" cargo build --workspace --all-features --bins --locked
step "tools of the tests" install_tools
step "promtool" find_promtool
HIVE_BROWSER=1 step "tests" run_tests --workspace
step "two machines" two_machines
step "alert rules" alert_rules
step "tests in the documentation" cargo test --workspace --all-features --doc --locked
step "documentation" docs
step "cargo-deny" install_deny
step "dependencies" "${deny[@]}" check --hide-inclusion-graph bans licenses sources
step "advisories" advisories
current="the end"
say "all passed in $((SECONDS / 60)) min $((SECONDS % 60)) s"
for what in "${skipped[@]}"; do
    say "not checked: $what"
done
