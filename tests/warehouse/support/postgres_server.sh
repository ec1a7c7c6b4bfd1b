# A PostgreSQL of a test process: `sh -c THIS sh FOLDER BIN USER`.
#
# Each line on stdin is a port to start it on, answered by `ready` or `failed`. Stdin ends when the test
# process does, however it does that: then the server is stopped and the folder removed.
folder=$1 bin=$2 user=$3

# The server refuses to be root.
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
        chown -R "$account:$(id -g "$account")" "$folder"
    fi
    cd "$folder" || return
    as_server "$bin/initdb" --pgdata=data --username="$user" --pwfile=password --encoding=UTF8 \
        --locale=C --auth=scram-sha-256 --no-sync --no-instructions &&
        cat settings >>data/postgresql.conf
}

# A child of this shell, which reaps it.
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
# At once, as nobody wants its data.
kill -QUIT "$(head -n 1 data/postmaster.pid)" 2>/dev/null
wait
cd / && rm -rf "$folder"
