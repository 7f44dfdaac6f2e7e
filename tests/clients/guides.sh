#!/usr/bin/env bash
# The guides of README.md, typed as they stand there: each block is run as it is, each `verify` must have the verdict that is
# written behind it, and each guide must leave what it promises.
# Usage: guides.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$(realpath "$1")
source "$here/server.sh"
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2; cat "$work/told" >&2' ERR

passed=0
# The verdicts of a block, a line each.
verdicts=$work/verdicts
: >"$work/told"

# The command line as README calls it. That a token is refused is an answer like others here.
ta() {
    if [[ $1 != verify ]]; then
        "$binary" "$@" 2>"$work/told"
        return
    fi
    local code=0
    "$binary" "$@" --field verdict >>"$verdicts" 2>"$work/told" || code=$?
    [[ $code == 0 || $code == 3 ]]
}

fail() {
    echo "$*" >&2
    exit 1
}

# expect FOUND WANTED WHAT
expect() {
    [[ $1 == "$2" ]] || fail "$3: $1, not $2"
    passed=$((passed + 1))
}

# field TOKEN_ID NAME: a field of a token as its administrator sees it.
field() {
    ta token get "$1" --field "$2"
}

# block HEADING: the first block of shell below it.
block() {
    awk -v heading="$1" '
        $0 == heading { below = 1; next }
        below && /^#+ / && !inside { exit }
        below && $0 == "```sh" { inside = 1; next }
        inside && $0 == "```" { exit }
        inside' "$here/../../README.md"
}

# guide HEADING: runs its block, and compares its verdicts with what is written behind them.
guide() {
    local text wanted
    text=$(block "$1")
    [[ -n $text ]] || fail "README.md has no block below: $1"
    : >"$verdicts"
    printf '%s\n' "$text" >"$work/block"
    # Its variables are looked at afterwards.
    source "$work/block" >"$work/shown"
    wanted=$(sed -nE 's/.*ta verify [^#]*# ([a-z-]+).*/\1/p' "$work/block")
    expect "$(<"$verdicts")" "$wanted" "the verdicts below $1"
    expect "$(grep -c 'ta verify' "$work/block" || true)" "$(grep -c . "$verdicts" || true)" "how many verdicts stand below $1"
}

start_server "$binary"
unset OPERATOR
export TOKEN_AUTHORITY_SERVER=http://$ADDRESS
cd "$work"
ln -s data token-authority-data

guide '## The guides, in commands'
expect "$(ta library get --field tokens-enabled)" true "whether support switched tokens on"
expect "$(stat -c %a boss.token)" 600 "the mode of a secret's file"

guide "### Bearer tokens for a library's integrations"
# Made for 90 days, it was extended by a year.
expires=$(date -d "$(field "$jane" expires)" +%s)
days=$(((expires - $(date +%s)) / 86400))
[[ $days -ge 453 && $days -le 456 ]] || fail "extended to $days days"
expect "$(ta token list --user jane -o name)" "$jane" "the list without the token that was revoked"
expect "$(field "$jane" description)" "API Access" "the reason"
if ta token reveal "$jane"; then fail "a secret was shown again"; fi
expect "$(ta audit --token-id "$jane" --actor north/boss --field action | paste -sd ' ')" "token.extend token.create" "what was done"

guide "### Tokens for yourself, for others and for customers' contacts"
expect "$(field "$laptop" display-name)" "old laptop" "the new name"
expect "$(field "$laptop" issued-by)" north/jane "who made it"
expect "$(ta token list --credential-file desk.token --field user | sort -u)" jane "whose tokens a person sees"
if ta token list --credential-file robot.token; then fail "a system served itself"; fi
expect "$(ta token list --user eve --field api)" order-status "the API of a contact's token"

guide '### API tokens and mobile logins'
cmp till.token again.token
expect "$(field "$till" tenant-id)" t-17 "the tenant"
expect "$(field "$till" state)" revoked "the token that was selected with another"
expect "$(field "$till" department)/$(field "$till" user-type)" sales/seller "the assignment"
expect "$(field "$phone" user-name), $(field "$phone" email)" "Jane Doe, jane@example.com" "whose login it is"
[[ -n $(field "$phone" last-used) ]] || fail "nobody knows when the login was last active"
expect "$(ta token list --kind session -o name)" "" "who is logged in"

guide '### Application tokens'
expect "$(field "$app" state)" suspended "the box that says active"
expect "$(field "$app" allowed-cidr)" 192.0.2.0/24 "the addresses"

guide '### Tokens of another system'
expect "$(field "$erp" imported)" weak "how it was imported"
expect "$(ta token list --imported weak -o name)" "" "weak tokens that are left"

# What a review proposes can be pasted; <CIDR> stands where nobody knows an address. The first of several for a token may end it.
# The operator pastes it: no token, the administrator's neither, changes its own grant.
export TOKEN_AUTHORITY_CREDENTIAL_FILE=token-authority-data/operator.token
token-authority() { ta "$@"; }
mends=$(ta token review --library north --field mend | grep -vF "<CIDR>" | awk '!seen[$4]++')
while read -r mend; do
    eval "$mend" </dev/null >>"$work/shown" || fail "$mend: $(<"$work/told")"
    passed=$((passed + 1))
done <<<"$mends"
if ta token review --library north --field mend | grep -xF "$mends"; then fail "what was mended is to be mended"; fi

stop_server
echo "guides: $passed passed, 0 failed"
