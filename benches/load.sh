#!/bin/sh
# Compares a load into PostgreSQL with psql's \copy of the same rows as CSV, into the same empty tables, in turns.
#
#   benches/load.sh DATASET postgres://user@host/database [ROUNDS]
#
# WARNING: the tables of the star schema in this database are dropped; use a database for tests only. The password
# comes from PGPASSWORD or ~/.pgpass. The CSV files are written before the measurement.
set -eu

dataset=$1 url=$2 rounds=${3:-3}
sparkify=${SPARKIFY:-target/release/sparkify}
csv_dir=$(mktemp -d)
trap 'rm -rf "$csv_dir"' EXIT
tables='artists songs users time songplays'

sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$url" "$@"; }
reset_tables() { "$sparkify" create-tables --drop --yes --quiet --warehouse "$url" && sql -c CHECKPOINT; }
now() { date +%s.%N; }
elapsed() { echo "$1 $2" | awk '{ printf "%.2f", $2 - $1 }'; }

reset_tables
"$sparkify" load --quiet --from "$dataset" --warehouse "$url"
for table in $tables; do
    sql -c "\\copy $table to '$csv_dir/$table.csv' csv"
done
rows=$(sql -At -c 'SELECT COUNT(*) FROM songplays')
echo "songplays: $rows"

for round in $(seq "$rounds"); do
    reset_tables
    start=$(now)
    "$sparkify" load --quiet --from "$dataset" --warehouse "$url"
    load_seconds=$(elapsed "$start" "$(now)")
    reset_tables
    start=$(now)
    for table in $tables; do
        sql -c "\\copy $table from '$csv_dir/$table.csv' csv"
    done
    copy_seconds=$(elapsed "$start" "$(now)")
    ratio=$(echo "$copy_seconds $load_seconds" | awk '{ printf "%.1f", $1 / $2 }')
    printf '%s: sparkify load %s s, psql \\copy %s s, ratio %s\n' "$round" "$load_seconds" "$copy_seconds" "$ratio"
done
