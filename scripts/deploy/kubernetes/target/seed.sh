#!/bin/sh
# usage: seed.sh SCALE FILE DATA
# Writes the shop's schema and rows into FILE, as SQL: starts a database of target-stack's own, which fills itself, and dumps it.
# Where DATA has a database already, there is nothing to do.
set -eu
scale=$1 file=$2 data=$3
[ ! -d "$data/mysql" ] || exit 0
work=$(mktemp -d)
server=
end() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap end EXIT
trap 'exit 143' INT TERM

target-stack db --dir "$work/server" --scale "$scale" >"$work/said" &
server=$!
until [ -s "$work/said" ]; do
    kill -0 "$server" 2>/dev/null || exit 3
    sleep 0.2
done
socket=$work/server/mysql.sock
mariadb-dump --no-defaults --socket="$socket" --user=root --single-transaction shop >"$file.part"
# Plans must not depend on when the server happens to look at its tables by itself.
mariadb --no-defaults --socket="$socket" --user=root --skip-column-names --execute="SELECT CONCAT('ANALYZE TABLE ',
    GROUP_CONCAT(table_name), ';') FROM information_schema.tables WHERE table_schema = 'shop'" >>"$file.part"
mv "$file.part" "$file"
