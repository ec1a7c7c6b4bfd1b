# Supervises the PostgreSQL server of a test process: `sh -c SCRIPT sh DIRECTORY BIN USER`.
#
# Each line on stdin is a port to start the server on; the answer is `ready` or `failed`. Stdin is closed when the
# test process ends, in whatever way: then the script stops the server and removes the directory.
dir=$1 bin=$2 user=$3

# The server refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$account" --regid="$(id -g "$account")" --clear-groups "$@"
    else
        "$@"
    fi
}

prepare() {
    if [ "$(id -u)" = 0 ]; then
        account=nobody
        if id -u postgres; then account=postgres; fi
        chown -R "$account:$(id -g "$account")" "$dir"
    fi
    cd "$dir" || return
    as_server "$bin/initdb" --pgdata=data --username="$user" --pwfile=password --encoding=UTF8 \
        --locale=C --auth=scram-sha-256 --no-sync --no-instructions &&
        cat settings >>data/postgresql.conf &&
        if [ -e standby.signal ]; then as_server cp standby.signal data; fi
}

# The server is a child of this shell, so that `wait` reaps it.
start() {
    as_server "$bin/postgres" -D data -p "$1" </dev/null >>log 2>&1 &
    server=$!
    until grep -q ready data/postmaster.pid 2>/dev/null; do
        sleep 0.01
        kill -0 "$server" 2>/dev/null || return
    done
}

if prepare </dev/null >log 2>&1; then echo ready; else echo failed; fi
while read -r port; do
    if start "$port"; then echo ready; else echo failed; fi
done
# Immediate shutdown, because the data is discarded.
kill -QUIT "$(head -n 1 data/postmaster.pid)" 2>/dev/null
wait
cd / && rm -rf "$dir"
