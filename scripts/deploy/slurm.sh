#!/usr/bin/env bash
# usage: scripts/deploy/slurm.sh [OPTION ...] N OUT -- OPTIONS OF loadgen... URL
# One load from N tasks of a Slurm array, one on each node: submits the array and, behind it, the merge of the records, waits, and ends
# with what `loadgen merge` ends with. OUT, on a file system that all nodes see, gets shards/1 to shards/N and merged.
#
#   --ahead SECONDS    from now to the instant at which all begin [default: 120]: longer than the queue may hold a task back
#   --sbatch OPTION    for sbatch, such as --sbatch=--partition=load; repeatable
#   --threshold RULE   what the whole has to hold, such as 'p99<50ms'; repeatable
#
# Tasks of an array are scheduled one by one. Where the cluster is so full that some would come late, ask for all nodes at once: one job
# of N tasks (`sbatch --nodes=N --ntasks-per-node=1`), in which `srun` starts them together and $SLURM_PROCID counts from 0.
# $LOADGEN is the generator [default: loadgen].
set -euo pipefail
loadgen=${LOADGEN:-loadgen}
wrong() {
    echo "scripts/deploy/slurm.sh: $*" >&2
    exit 2
}

# What a task of the array does.
if [ "${1:-}" = --shard ] && [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    shards=$2 at=$3 out=$4
    shift 4
    exec "$loadgen" --shard "$SLURM_ARRAY_TASK_ID/$shards" --start-at "$at" --out "$out/shards/$SLURM_ARRAY_TASK_ID" --no-report \
        --no-progress "$@"
fi
# What the job behind it does.
if [ "${1:-}" = --merge ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    out=$2
    shift 2
    if ! compgen -G "$out/shards/*/run.json" >/dev/null; then
        echo "scripts/deploy/slurm.sh: no shard has left a record: $out/logs has what each has said, and this is how often it was said last"
        tail -q -n 1 "$out"/logs/[0-9]*.txt | sort | uniq -c | sort -rn | sed -n 1,10p || true
        exit 4
    fi
    exec "$loadgen" merge "$@" --out "$out/merged" "$out/shards"
fi

ahead=120 thresholds=() own=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
        --ahead)
            [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || wrong "$1 takes seconds, as a whole number"
            ahead=$2 && shift 2
            ;;
        --sbatch=*) own+=("${1#--sbatch=}") && shift ;;
        --threshold)
            [ $# -gt 1 ] || wrong "$1 needs a value"
            thresholds+=("$1" "$2") && shift 2
            ;;
        -*) wrong "$1 is not known here; options of loadgen stand behind --" ;;
        *) break ;;
    esac
done
[[ $# -ge 4 && $3 = -- ]] || wrong "give N OUT -- OPTIONS OF loadgen... URL (see --help)"
shards=$1 out=$2
shift 3
[[ $shards =~ ^[1-9][0-9]{0,4}$ ]] || wrong "$shards is no number of shards"
[[ -z $(ls -A "$out/shards" 2>/dev/null) && ! -e $out/merged ]] || wrong "$out has records already: name another directory"
mkdir -p "$out/shards" "$out/logs" && out=$(realpath "$out")
at=$(TZ=UTC printf '%(%Y-%m-%dT%H:%M:%SZ)T' $((EPOCHSECONDS + ahead)))
echo "shards: $shards, all begin at $at" >&2

# sbatch keeps a copy of this script, and its words as they are. One task a node, all at the same time.
array=$(sbatch --parsable --job-name=loadgen --array="1-$shards%$shards" --nodes=1 --exclusive --output="$out/logs/%a.txt" "${own[@]}" \
    "${BASH_SOURCE[0]}" --shard "$shards" "$at" "$out" "$@")
array=${array%%;*}
# Whoever waits no longer does not want it any more; what there is is merged all the same.
merging=
trap 'scancel "$array" || true; [ -z "$merging" ] || kill "$merging" 2>/dev/null || true; exit 130' HUP INT TERM
# Whatever became of them: who is missing is named by the merge. `--wait` gives its exit code.
code=0
sbatch --wait --parsable --job-name=loadgen-merge --dependency="afterany:$array" --output="$out/logs/merge.txt" "${own[@]}" \
    "${BASH_SOURCE[0]}" --merge "$out" "${thresholds[@]}" >/dev/null &
merging=$!
wait "$merging" || code=$?
cat "$out/logs/merge.txt" || true
exit "$code"
