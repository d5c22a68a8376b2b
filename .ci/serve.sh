# A local stack for a script, with a folder $work for its files; to be sourced. Both are gone when the script ends,
# and if it fails, the end of the stack's log is printed.

work=$(mktemp -d)
serve=

# Starts `order-saga serve` with these arguments on a free port, and sets $url.
start_serve() {
    stop_serve
    cargo build --locked --quiet --workspace --bin order-saga
    # The shell empties the log only once it has forked: until then, the address in it is that of the stack before.
    rm -f "$work/serve.log"
    "${CARGO_TARGET_DIR:-target}/debug/order-saga" serve --listen 127.0.0.1:0 "$@" >"$work/serve.log" 2>&1 &
    serve=$!
    url=
    for _ in {1..300}; do
        url=$(grep -soEm1 'http://[0-9.:]+' "$work/serve.log" || true)
        [[ -z $url ]] || return 0
        kill -0 "$serve"
        sleep 0.1
    done
    echo "order-saga serve printed no address within 30 s" >&2
    return 1
}

stop_serve() {
    [[ -n $serve ]] || return 0
    kill "$serve" 2>/dev/null || true
    wait "$serve" 2>/dev/null || true
    serve=
}

clean_up() {
    local status=$?
    stop_serve
    if ((status != 0)) && [[ -s $work/serve.log ]]; then
        echo "-- the end of the local stack's log"
        tail -n 30 "$work/serve.log"
    fi
    rm -rf "$work"
}
trap clean_up EXIT
