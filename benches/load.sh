#!/bin/sh
# A load into PostgreSQL beside psql's \copy of the same rows as CSV, into the same empty tables, in turns.
#
#   benches/load.sh STAR postgres://user@host/database [ROUNDS]
#
# The database must be one to play with: its tables of the star are dropped. The password comes from PGPASSWORD
# or ~/.pgpass. CSV is written before anything is timed.
set -eu

star=$1 url=$2 rounds=${3:-3}
sparkify=${SPARKIFY:-target/release/sparkify}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tables='artists songs users time songplays'

sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$url" "$@"; }
fresh() { "$sparkify" create-tables --drop --yes --quiet --warehouse "$url" && sql -c CHECKPOINT; }
now() { date +%s.%N; }
took() { echo "$1 $2" | awk '{ printf "%.2f", $2 - $1 }'; }

fresh
"$sparkify" load --quiet --from "$star" --warehouse "$url"
for table in $tables; do
    sql -c "\\copy $table to '$folder/$table.csv' csv"
done
rows=$(sql -At -c 'SELECT COUNT(*) FROM songplays')
echo "songplays: $rows"

for round in $(seq "$rounds"); do
    fresh
    began=$(now)
    "$sparkify" load --quiet --from "$star" --warehouse "$url"
    load=$(took "$began" "$(now)")
    fresh
    began=$(now)
    for table in $tables; do
        sql -c "\\copy $table from '$folder/$table.csv' csv"
    done
    copy=$(took "$began" "$(now)")
    times=$(echo "$copy $load" | awk '{ printf "%.1f", $1 / $2 }')
    printf '%s: sparkify load %s s, copy of psql %s s: %s times\n' "$round" "$load" "$copy" "$times"
done
