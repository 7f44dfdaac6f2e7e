#!/usr/bin/env bash
# The whole life of a token through the real grpcurl, which knows the API by reflection alone.
# Usage: lifecycle.sh BINARY
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
source "$here/server.sh"

passed=0
# Where a call's answer goes: on success its response, else its status.
answer=$work/answer
trap 'echo "line $LINENO failed; the last answer:" >&2; cat "$answer" >&2' ERR

# The secret is taken from the environment: arguments can be read by every user of a machine.
call() {
    local method=$1 request=${2:-'{}'}
    grpcurl -plaintext -format-error -expand-headers -H 'authorization: Bearer ${CREDENTIAL}' -d "$request" \
        "$ADDRESS" "$method" >"$answer" 2>&1
}

# ok METHOD REQUEST: the call succeeds.
ok() {
    call "$@" || { echo "$* failed:"; cat "$answer"; exit 1; } >&2
}

# fails METHOD REQUEST: the call fails.
fails() {
    if call "$@"; then { echo "$* succeeded:"; cat "$answer"; exit 1; } >&2; fi
}

# field PATH: a field of the answer, such as token.tokenId or events.0.action.
field() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1]))
for part in sys.argv[2].split("."):
    value = value[int(part)] if isinstance(value, list) else value[part]
print(value if isinstance(value, str) else json.dumps(value))' "$answer" "$1"
}

# expect PATH VALUE: the field has this value.
expect() {
    local found
    found=$(field "$1") || { cat "$answer" >&2; exit 1; }
    if [[ $found != "$2" ]]; then
        { echo "$1 is $found, not $2:"; cat "$answer"; exit 1; } >&2
    fi
    passed=$((passed + 1))
}

# expect_detail TYPE PATH VALUE: the error carries a readable detail of this type with this value.
expect_detail() {
    python3 -c '
import json, sys
answer, name, path, expected = sys.argv[1:]
status = json.load(open(answer))
details = [d for d in status["details"] if d["@type"] == "type.googleapis.com/google.rpc." + name]
assert len(details) == 1, status
value = details[0]
assert "@value" not in value, status
for part in path.split("."):
    value = value[int(part)] if isinstance(value, list) else value[part]
assert value == expected, (value, expected)' "$answer" "$@"
    passed=$((passed + 1))
}

# listed WORD...: the last output of grpcurl has each as a line of its own.
listed() {
    for word in "$@"; do
        grep -qxF "$word" "$answer" || { echo "$word is missing:"; cat "$answer"; exit 1; } >&2
        passed=$((passed + 1))
    done
}

admin=tokenauthority.v1.TokenAdmin
directory=tokenauthority.v1.Directory
verify=tokenauthority.v1.TokenVerify

start_server "$1"
export CREDENTIAL=$OPERATOR

# What is served, as reflection tells it.
grpcurl -plaintext "$ADDRESS" list >"$answer"
listed $admin $directory $verify grpc.health.v1.Health grpc.reflection.v1.ServerReflection
grpcurl -plaintext "$ADDRESS" describe $verify.Verify >"$answer"
grep -q 'rpc Verify ( .tokenauthority.v1.VerifyRequest )' "$answer"
grpcurl -plaintext "$ADDRESS" describe google.rpc.ErrorInfo >"$answer"
grep -q 'string reason = 1;' "$answer"
passed=$((passed + 2))

for service in "" $verify $admin; do
    for _ in {1..500}; do
        ok grpc.health.v1.Health/Check "{\"service\": \"$service\"}"
        [[ $(field status) == SERVING ]] && break
        sleep 0.02
    done
    expect status SERVING
done

# A library, a user type, a user, a token.
ok $directory/CreateLibrary '{"library": "acme", "displayName": "Acme", "tenantId": "t-1", "tokensEnabled": true}'
expect library.library acme
expect library.state LIBRARY_STATE_ACTIVE
expect library.tokensEnabled true
ok $directory/CreateUserType '{"library": "acme", "userType": "clerk", "permissions": ["orders:read"]}'
expect userType.permissions '["orders:read"]'
ok $directory/CreateUser '{"library": "acme", "user": "till", "kind": "USER_KIND_API_ONLY", "assignments": [{"userType": "clerk"}]}'
expect user.state USER_STATE_ACTIVE
ok $admin/CreateToken '{"library": "acme", "user": "till", "displayName": "till 7", "lifetime": "90d"}'
expect token.state TOKEN_STATE_ACTIVE
expect token.issuedBy system/root
secret=$(field secret)
id=$(field token.tokenId)
expiry=$(field token.expireTime)
[[ $secret =~ ^tka_${id}_[0-9A-Za-z]{49}$ ]]

demand="{\"token\": \"$secret\", \"library\": \"acme\", \"permissions\": [\"orders:read\"]}"
ok $verify/Verify "$demand"
expect verdict VERDICT_VALID
expect tokenId "$id"
expect tenantId t-1
expect user till
expect userKind USER_KIND_API_ONLY
expect permissions '["orders:read"]'
ok $verify/Verify "${demand/orders:read/orders:write}"
expect verdict VERDICT_MISSING_PERMISSION
# The last character belongs to the checksum.
other=$([[ $secret == *0 ]] && echo 1 || echo 0)
ok $verify/Verify "{\"token\": \"${secret%?}$other\", \"library\": \"acme\"}"
expect verdict VERDICT_MALFORMED

# Its life.
ok $admin/ExtendToken "{\"tokenId\": \"$id\", \"extendBy\": \"30d\"}"
expect clamped false
[[ $(field token.expireTime) > $expiry ]]
ok $admin/SuspendToken "{\"tokenId\": \"$id\", \"reason\": \"stocktaking\"}"
expect token.suspension.reason stocktaking
ok $verify/Verify "$demand"
expect verdict VERDICT_SUSPENDED
ok $admin/ResumeToken "{\"tokenId\": \"$id\"}"
expect token.state TOKEN_STATE_ACTIVE
ok $verify/Verify "$demand"
expect verdict VERDICT_VALID
ok $admin/ListTokens '{"library": "acme"}'
expect tokens.0.tokenId "$id"
ok $admin/RevokeToken "{\"tokenId\": \"$id\", \"reason\": \"REVOCATION_REASON_COMPROMISED\", \"comment\": \"found in a chat\"}"
expect token.state TOKEN_STATE_REVOKED
[[ -n $(field revision) ]]
ok $verify/Verify "$demand"
expect verdict VERDICT_REVOKED
ok $admin/ListTokens '{"library": "acme"}'
if field tokens 2>/dev/null; then echo "a revoked token is listed" >&2; exit 1; fi
ok $admin/ListTokens '{"library": "acme", "showRevoked": true}'
expect tokens.0.revocation.comment "found in a chat"

# What was done, newest first; that it was refused is told by the authority itself, when it gets to it.
ok $admin/ListAuditEvents '{"library": "acme", "actor": "system/root"}'
expect events.0.action token.revoke
expect events.0.tokenId "$id"
expect events.0.actor system/root
expect events.1.action token.resume
expect events.2.action token.suspend
expect events.3.action token.extend
expect events.4.action token.create

# Errors can be read: code, reason, fields.
fails $admin/GetToken '{"tokenId": "0000000000000000000000"}'
expect code 5
expect_detail ErrorInfo reason NOT_FOUND
expect_detail ErrorInfo domain tokenauthority.v1
fails $admin/CreateToken '{"library": "acme", "user": "till", "displayName": "x", "allowedCidrs": ["10.0.0.1/8"]}'
expect code 3
expect_detail ErrorInfo reason INVALID_FIELDS
expect_detail BadRequest fieldViolations.0.field 'allowed_cidrs[0]'
fails $admin/ResumeToken "{\"tokenId\": \"$id\"}"
expect code 9
expect_detail ErrorInfo reason TOKEN_STATE
fails $directory/CreateLibrary '{"library": "acme"}'
expect code 6
expect_detail ErrorInfo reason NAME_TAKEN
CREDENTIAL=$secret fails $admin/GetToken "{\"tokenId\": \"$id\"}"
expect code 16
expect_detail ErrorInfo reason CREDENTIAL_REFUSED

stop_server
# No secret in the log, down to its last line.
if grep -qF -e "$secret" -e "$OPERATOR" "$work/log"; then echo "the log holds a secret" >&2; exit 1; fi

echo "grpcurl: $passed passed, 0 failed"
