# Sourced by the client suites in shell: a real server process on a port of its own, stopped when the script ends.
#
# start_server BINARY [ARGUMENT...] sets ADDRESS and OPERATOR, the operator's secret. The data directory is removed at the end.

work=$(mktemp -d)
server=

# Asks it to stop; fails unless it ends with success.
stop_server() {
    local stopping=$server
    server=
    kill -TERM "$stopping"
    wait "$stopping"
}

clean_up() {
    if [[ -n $server ]]; then
        kill -KILL "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

# Looks every 20 ms, for a minute at most.
start_server() {
    # It is read before the server has opened it.
    : >"$work/log"
    "$1" serve --data-dir "$work/data" --listen 127.0.0.1:0 --log-format json "${@:2}" 2>"$work/log" &
    server=$!
    for _ in {1..3000}; do
        ADDRESS=$(sed -nE '/"message":"listening"/s/.*"address":"([^"]+)".*/\1/p' "$work/log")
        [[ -n $ADDRESS && -s $work/data/operator.token ]] && break
        kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; echo "the server ended" >&2; exit 1; }
        sleep 0.02
    done
    [[ -n $ADDRESS ]] || { cat "$work/log" >&2; echo "the server does not listen" >&2; exit 1; }
    OPERATOR=$(<"$work/data/operator.token")
    export OPERATOR
}
