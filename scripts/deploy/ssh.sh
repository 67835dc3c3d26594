#!/usr/bin/env bash
# usage: scripts/deploy/ssh.sh [OPTION ...] HOSTS OUT -- OPTIONS OF loadgen... URL
# One load from many machines that nothing else schedules: runs one shard on each host of the file HOSTS (a line each, as ssh(1) takes
# it; `:` is this machine, `#` begins a comment), all beginning at one instant, fetches their records to OUT/shards and merges them to
# OUT/merged. It takes GNU parallel here, keys that ask for nothing, clocks that are kept, and `loadgen` in the PATH here and on each
# host; or $LOADGEN says where it is, in the same place everywhere. A record that cannot be fetched stays where it is, and it is said where.
#
#   --ahead SECONDS    from now to that instant [default: 15]
#   --bound SECONDS    the longest that a host may take for all of it [default: 3600]
#   --threshold RULE   what the whole has to hold, such as 'p99<50ms'; repeatable
#
# Ends with what `loadgen merge` ends with; without any record, with what the first shard ended with. Whatever ends this program, the
# shards are asked to end too.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
loadgen=${LOADGEN:-loadgen}
usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self"
}
wrong() {
    echo "scripts/deploy/ssh.sh: $*" >&2
    exit 2
}

# A word for any shell of POSIX.
quoted() {
    local quote="'" escaped="'\\''"
    printf " '%s'" "${1//$quote/$escaped}"
}
words() {
    local word
    for word in "$@"; do quoted "$word"; done
}
# Runs a command of words on a host, whatever shell its user has.
on() { # host, words...
    local host=$1
    shift
    if [ "$host" = : ]; then
        "$@"
    else
        ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -- "$host" "exec$(words "$@")"
    fi
}
# An exit code of a shard in words.
meaning() { # code, its record
    case $1 in
        2) echo "wrong use" ;;
        3) echo "the target cannot be reached, or died" ;;
        4) if [ -e "$2/run.json" ]; then echo "not valid: its record has the reasons"; else echo "it has not begun"; fi ;;
        124) echo "not done within --bound $BOUND" ;;
        126 | 127) echo "$loadgen cannot be run there: see LOADGEN in --help" ;;
        137) echo "killed" ;;
        255) echo "the connection broke" ;;
        *) echo "see --help of loadgen" ;;
    esac
}

# What a host does: run the words after the directory until their end, until nobody holds its standard input any more, or, on this
# machine, until all of this program are told to end at once.
# shellcheck disable=SC2016  # it is for the host's shell
tended='dir=$1 work=; shift; exec 3<&0
# timeout(1) leads a group, of which it does not know all at once.
desert() { : >"$dir/deserted"; [ -z "$work" ] || kill -- "-$work" || kill "$work"; } 2>/dev/null
trap desert TERM
"$@" </dev/null 3<&- & work=$!
# It may have been told to before it knew whom to tell.
[ ! -e "$dir/deserted" ] || desert
(read -r _ <&3; desert) 2>/dev/null & watch=$!
wait "$work"; code=$?
kill "$watch" 2>/dev/null
[ ! -e "$dir/deserted" ] || { wait "$work"; rm -rf "$dir"; } 2>/dev/null
exit "$code"'

# What a host does to hand a record over. A line says where it begins, as a user's shell may greet before.
# shellcheck disable=SC2016  # it is for the host's shell
handed='[ -e "$1/record" ] || { printf "\n%s\n" "no $2"; exit; }
printf "\n%s\n" "$2" && exec tar -C "$1" -cf - record'
# Takes it from standard input; fails where that ends before it should. `read` takes not a byte beyond its line.
taken() { # mark, to where
    local line
    while IFS= read -r line; do
        case $line in
            "no $1") return 0 ;;
            "$1")
                mkdir -p "$2" && tar -C "$2" --strip-components=1 --no-same-owner -xf -
                return
                ;;
        esac
    done
    return 1
}

piece() { # shard, host
    local shard=$1 host=$2 dir code=0 options at="on $2" place=$2: to=$OUT/shards/$1
    # In which quoted words are words again.
    eval "options=($OPTIONS)"
    [ "$host" != : ] || at="on this machine" place=
    # Below what a user's shell may say of itself.
    dir=$(on "$host" sh -c 'printf "\n" && exec mktemp -d' </dev/null) || code=$?
    dir=${dir##*$'\n'}
    if [ "$code" -ne 0 ] || ! [[ $dir =~ ^/[A-Za-z0-9/._-]+$ ]]; then
        echo "shard $shard/$SHARDS: $host cannot be used" >&2
        return
    fi
    # As long as the one that waits for all is there, its input is.
    on "$host" sh -c "$tended" sh "$dir" timeout -k 30 "$BOUND" "$loadgen" --shard "$shard/$SHARDS" --start-at "$START_AT" \
        --out "$dir/record" --no-report --quiet "${options[@]}" < <(exec tail -f /dev/null --pid="$WAITS") || code=$?
    if on "$host" sh -c "$handed" sh "$dir" "record-of-$shard-$START_AT" </dev/null | taken "record-of-$shard-$START_AT" "$to"; then
        on "$host" rm -rf "$dir" </dev/null >/dev/null || true
    else
        # Half a record is none.
        rm -rf "$to"
        echo "shard $shard/$SHARDS: its record could not be fetched: $place$dir/record has it, if the shard has left any" >&2
    fi
    echo "$code" >"$OUT/shards/$shard.code"
    [ "$code" -eq 0 ] || echo "shard $shard/$SHARDS $at ended with $code: $(meaning "$code" "$to")" >&2
}
if [ "${1:-}" = --piece ]; then
    shift
    piece "$@"
    exit
fi

ahead=15 bound=3600 thresholds=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --ahead | --bound)
            [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || wrong "$1 takes seconds, as a whole number"
            if [ "$1" = --ahead ]; then ahead=$2; else bound=$2; fi
            shift 2
            ;;
        --threshold)
            [ $# -gt 1 ] || wrong "$1 needs a value"
            thresholds+=("$1" "$2") && shift 2
            ;;
        -*) wrong "$1 is not known here; options of loadgen stand behind --" ;;
        *) break ;;
    esac
done
[[ $# -ge 4 && $3 = -- ]] || wrong "give HOSTS OUT -- OPTIONS OF loadgen... URL (see --help)"
hosts=$1 OUT=$2
shift 3
[ -r "$hosts" ] || wrong "$hosts cannot be read"
mapfile -t named < <(sed 's/#.*//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' "$hosts")
[ ${#named[@]} -gt 0 ] || wrong "$hosts names no host"
for host in "${named[@]}"; do
    [[ $host != -* && $host != *[[:space:]]* ]] || wrong "$hosts: \`$host\` is no host"
done
[[ -z $(ls -A "$OUT/shards" 2>/dev/null) && ! -e $OUT/merged ]] || wrong "$OUT has records already: name another directory"
version=$(parallel --version 2>/dev/null) || version=
[[ $version == GNU\ parallel* ]] || wrong "GNU parallel is missing: apt-get install parallel"
command -v "$loadgen" >/dev/null ||
    wrong "$loadgen is missing here, where the records are merged: put it into the PATH, or say with LOADGEN=/path/to/loadgen where it is"
# Before any host is asked: a shard whose instant has passed looks at its options, and does nothing.
code=0
said=$("$loadgen" --shard 1/2 --start-at 2000-01-01T00:00:00Z --out "$OUT/shards/1" --no-report --quiet "$@" 2>&1 >/dev/null </dev/null) || code=$?
[ "$code" -ne 2 ] || wrong "$said"
made=()
[ -e "$OUT" ] || made=("$OUT")
mkdir -p "$OUT/shards" && OUT=$(realpath "$OUT")

SHARDS=${#named[@]} BOUND=$bound OPTIONS=$(words "$@")
WAITS=$$ START_AT=$(TZ=UTC printf '%(%Y-%m-%dT%H:%M:%SZ)T' $((EPOCHSECONDS + ahead)))
export SHARDS BOUND OPTIONS START_AT OUT WAITS LOADGEN="$loadgen"
echo "shards: $SHARDS, all begin at $START_AT" >&2
trap 'exit 130' HUP INT TERM
# -q: a word stays one. {#} counts from 1.
parallel -q -j "$SHARDS" --line-buffer --halt never "$self" --piece '{#}' '{}' < <(printf '%s\n' "${named[@]}") &
wait $! || true

shopt -s nullglob
codes=("$OUT"/shards/*.code) first=3
[ ${#codes[@]} -eq 0 ] || first=$(<"${codes[0]}")
[ ${#codes[@]} -eq 0 ] || rm "${codes[@]}"
records=("$OUT"/shards/*/run.json)
if [ ${#records[@]} -eq 0 ]; then
    # What was made for them is in nobody's way.
    rmdir "$OUT/shards" "${made[@]}" 2>/dev/null || true
    echo "scripts/deploy/ssh.sh: no shard has left a record here" >&2
    exit "$((first == 0 ? 4 : first))"
fi
exec "$loadgen" merge "${thresholds[@]}" --out "$OUT/merged" "$OUT/shards"
