#!/usr/bin/env bash
# TLS to peers that share no code with the server: OpenSSL makes the certificates and tries the versions, grpcio calls.
# Usage: tls.sh BINARY (python-clients is to be found by PATH)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$(realpath "$1")
source "$here/server.sh"
control=
trap 'if [[ -n $control ]]; then kill -KILL "$control" 2>/dev/null || true; fi; clean_up' EXIT
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2; cat "$work/said" "$work/log" >&2' ERR
: >"$work/said"

passed=0
fail() {
    echo "$*" >&2
    cat "$work/said" >&2
    exit 1
}

pass() {
    passed=$((passed + 1))
    echo "openssl: $*"
}

# ca NAME: an authority.
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem" 2>>said
}

# issue CA NAME CN [EXTENSION]: a certificate; where no extension is given, it has a common name alone.
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$2.key" -out "$2.csr" 2>>said
    printf '%s\n' "${4:-keyUsage=digitalSignature}" "basicConstraints=CA:FALSE" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 30 -extfile "$2.ext" \
        -out "$2.pem" 2>>said
}

# An end in the past is no number of days to every OpenSSL; its `ca` takes dates from all of them.
issue_expired() {
    issue "$1" "$2" "$3"
    mkdir -p issued
    : >issued/index
    cat >issued/conf <<CONF
[ca]
default_ca=authority
[authority]
database=issued/index
new_certs_dir=issued
rand_serial=yes
default_md=sha256
policy=any
x509_extensions=client
[any]
commonName=supplied
[client]
basicConstraints=CA:FALSE
CONF
    openssl ca -batch -config issued/conf -cert "$1.pem" -keyfile "$1.key" -in "$2.csr" -out "$2.pem" -notext \
        -startdate 20200101000000Z -enddate 20200201000000Z 2>>said
}

cd "$work"
ca ca
ca client-ca
ca stranger-ca
issue ca server tokens "subjectAltName=DNS:localhost"
issue client-ca right billing
issue client-ca wrong shipping
issue_expired client-ca expired billing
issue stranger-ca stranger billing

files=(--tls-cert-file "$work/server.pem" --tls-key-file "$work/server.key")
start_server "$binary" "${files[@]}" --tls-client-auth required --tls-client-ca-file "$work/client-ca.pem" \
    --tls-client-names billing
python-clients "$here/tls.py" "$ADDRESS" "$work"
stop_server

# The versions, and what is spoken over them, are tried without certificates of clients.
start_server "$binary" "${files[@]}"

# client ADDRESS OPTION...: what OpenSSL says of a handshake. Level 0 lets it offer what is out of use.
client() {
    local address=$1
    shift
    openssl s_client -connect "$address" -servername localhost -CAfile ca.pem -verify_return_error \
        -cipher 'DEFAULT@SECLEVEL=0' "$@" <<<Q >said 2>&1
}

for version in 1_3 1_2; do
    client "$ADDRESS" "-tls$version" -alpn h2 || fail "TLS $version is refused"
    grep -q "ALPN protocol: h2" said || fail "TLS $version agrees on no h2"
    grep -q "Verify return code: 0 (ok)" said || fail "TLS $version shows no certificate that is good"
    pass "TLS ${version/_/.}: spoken, h2, the certificate is good"
done

# Whether it is the server that refuses: another one, by OpenSSL, takes the same client.
# Its words are looked for before it has opened the file.
: >control
openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -cipher 'DEFAULT@SECLEVEL=0' -alpn h2 -www \
    </dev/null >control 2>&1 &
control=$!
elsewhere=
for _ in {1..3000}; do
    elsewhere=$(sed -nE 's/^ACCEPT 127\.0\.0\.1:([0-9]+)$/127.0.0.1:\1/p' control)
    [[ -n $elsewhere ]] && break
    sleep 0.02
done
[[ -n $elsewhere ]] || { cat control >&2; fail "the control does not listen"; }
for option in 1_1:1.1 1:1.0; do
    version=${option%:*}
    name="TLS ${option#*:}"
    client "$elsewhere" "-tls$version" -alpn h2 || fail "$name can't be tried: this OpenSSL does not offer it"
    if client "$ADDRESS" "-tls$version" -alpn h2; then fail "$name is spoken"; fi
    # Which of the two depends on what of an old greeting is looked at first.
    grep -qE "alert (protocol version|handshake failure)" said || fail "$name is not refused by an alert of the server"
    pass "$name: refused by the server's alert, spoken by the control"
done

if client "$ADDRESS" -tls1_3 -alpn http/1.1; then fail "HTTP/1.1 is agreed on"; fi
grep -q "alert no application protocol" said || fail "HTTP/1.1 is not refused by an alert"
pass "ALPN of HTTP/1.1: refused by the server's alert"

# Without an offer the handshake succeeds, and then the server hangs up without a word: the control of this is h2 itself.
# preface OPTION...: how many bytes the server answers to the first words of HTTP/2.
preface() {
    { printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0'; sleep 2; } |
        openssl s_client -quiet -connect "$ADDRESS" -servername localhost -CAfile ca.pem "$@" 2>said | wc -c
}
[[ $(preface -alpn h2) -gt 0 ]] || fail "HTTP/2 is not spoken after ALPN"
[[ $(preface) -eq 0 ]] || fail "HTTP/2 is spoken without ALPN"
pass "no ALPN: not a byte of HTTP/2; with it, HTTP/2"

stop_server
echo "openssl: $passed passed, 0 failed"
