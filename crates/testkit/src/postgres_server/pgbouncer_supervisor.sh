# Supervises the PgBouncer of a test process: `sh -c SCRIPT sh DIRECTORY PROGRAM`.
#
# Each line on stdin is a port to listen on; the answer is `ready` or `failed`. Stdin is closed when the test process
# ends, in whatever way: then the script stops PgBouncer and removes the directory.
dir=$1 program=$2

# PgBouncer refuses to run as root. It takes the place of the shell that runs this in the background, so that the process id
# of that shell is its own.
become_pooler() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"
    fi
    exec "$@"
}

cd "$dir" || exit
if [ "$(id -u)" = 0 ]; then chown -R "nobody:$(id -g nobody)" .; fi
while read -r port; do
    { cat settings; echo "listen_port = $port"; } >pgbouncer.ini
    : >log
    become_pooler "$program" pgbouncer.ini </dev/null >>log 2>&1 &
    pooler=$!
    until grep -q "process up" log; do
        sleep 0.01
        kill -0 "$pooler" 2>/dev/null || break
    done
    if kill -0 "$pooler" 2>/dev/null; then echo ready; else echo failed; fi
done
kill "$pooler" 2>/dev/null
wait
cd / && rm -rf "$dir"
