#!/usr/bin/env bash
# usage: scripts/deploy/kubernetes.sh [--ahead SECONDS] [--bound SECONDS] OVERLAY OUT [-- OPTIONS OF loadgen... URL]
# One load from many pods: applies OVERLAY (a directory such as scripts/deploy/kubernetes/overlays/url), has its shards begin at one
# instant, has their records merged when all have ended, copies them to OUT (shards/1 to N, and merged), and ends with what
# `loadgen merge` ended with. What is loaded is brought up first, where OVERLAY has it, and stays.
#
#   --ahead SECONDS    from when the target is there to the instant at which all begin [default: 90]: the nodes pull the image meanwhile
#   --bound SECONDS    the longest that a step may take [default: 7200]
#
# What is sent is what OVERLAY's plan says; with words behind --, those and none of its URL, RATE, DURATION and OPTIONS. They are words of one
# piece, as `--name=value`, without blanks and quotes: a plan has no others.
#
# Ends with 2 when it is used wrongly, and 3 when the cluster does not do what it is told. When it is told to end itself, the shards are too.
set -euo pipefail
namespace=loadgen label=app.kubernetes.io/part-of
# What plan.env says until somebody begins.
never=2000-01-01T00:00:00Z
wrong() {
    echo "scripts/deploy/kubernetes.sh: $*" >&2
    exit 2
}
failed() {
    echo "scripts/deploy/kubernetes.sh: $*" >&2
    exit 3
}
ours() {
    kubectl --namespace "$namespace" "$@"
}
# Waits until a job has ended, well or not.
ended() { # job
    local said until=$((EPOCHSECONDS + bound))
    while [ "$EPOCHSECONDS" -lt "$until" ]; do
        said=$(ours get job "$1" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') || said=
        case " $said " in *" Complete "* | *" Failed "*) return 0 ;; esac
        sleep 2
    done
    failed "$1 has not ended after $bound s"
}
go_on() { # job
    ours patch job "$1" --patch '{"spec":{"suspend":false}}' >&2 || failed "$1 cannot be resumed"
}

# Puts the words of a load in place of what the plan says.
told() { # manifests, words...
    local line name word manifests=$1
    local -A plan=([RATE]='' [OPTIONS]='')
    local urls=()
    shift
    for word in "$@"; do
        [[ $word =~ ^[][A-Za-z0-9_.,:/=@%+~#\&?-]+$ ]] || wrong "\`$word\` cannot be a word of a plan"
        case $word in
            --rps=*) plan[RATE]=${word#*=} ;;
            --duration=*) plan[DURATION]=${word#*=} ;;
            --threads=*) plan[THREADS]=${word#*=} ;;
            --rps | --duration | --threads) wrong "\`$word\` has no value: write $word=VALUE" ;;
            --[a-z]*) plan[OPTIONS]+=" $word" ;;
            http://* | https://*) urls+=("$word") ;;
            *) wrong "\`$word\` is neither --name, --name=value nor a URL: an option and its value are one word here" ;;
        esac
    done
    [[ ${#urls[@]} -gt 0 && -n ${plan[DURATION]:-} ]] || wrong "behind -- a load has its --duration=TIME and its URL"
    [ ${#urls[@]} -eq 1 ] || wrong "a load has one URL, and not ${urls[*]}"
    plan[URL]=${urls[0]}
    while IFS= read -r line; do
        name=${line%%:*} name=${name#  }
        if [[ $line =~ ^\ \ [A-Z]+:\  ]] && [ -n "${plan[$name]+x}" ]; then line="  $name: \"${plan[$name]# }\""; fi
        printf '%s\n' "$line"
    done <<<"$manifests"
}

ahead=90 bound=7200
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
        --ahead | --bound)
            [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || wrong "$1 takes seconds, as a whole number"
            if [ "$1" = --ahead ]; then ahead=$2; else bound=$2; fi
            shift 2
            ;;
        -*) wrong "$1 is not known here" ;;
        *) break ;;
    esac
done
[[ $# -eq 2 || $# -gt 3 && $3 = -- ]] || wrong "give OVERLAY OUT, and perhaps -- OPTIONS OF loadgen... URL (see --help)"
overlay=$1 out=$2
shift $(($# == 2 ? 2 : 3))
[ -f "$overlay/kustomization.yaml" ] || wrong "$overlay has no kustomization.yaml"
[ ! -e "$out" ] || wrong "$out is there already: name another directory"
command -v kubectl >/dev/null || wrong "kubectl is missing"
manifests=$(kubectl kustomize "$overlay") || wrong "$overlay cannot be built"
[ $# -eq 0 ] || manifests=$(told "$manifests" "$@") || exit 2
[[ $manifests == *"$never"* ]] || wrong "$overlay has no START_AT of $never to be replaced"

kubectl apply --filename - --selector "$label!=loadgen" <<<"$manifests" >&2 || failed "the target cannot be applied"
mapfile -t tiers < <(ours get deployments,statefulsets --selector "$label=target-stack" --output name)
for tier in "${tiers[@]}"; do
    ours rollout status "$tier" --timeout "${bound}s" >&2 || failed "$tier is not there after $bound s"
done

ours delete jobs --selector "$label=loadgen" --cascade=foreground --ignore-not-found >&2 || failed "the jobs of an earlier load cannot be deleted"
# Pods that are deleted have a minute to write what they have, and nobody waits for that.
trap 'ours delete jobs --selector "$label=loadgen" --wait=false --ignore-not-found >&2 || true; exit 130' HUP INT TERM
at=$(TZ=UTC printf '%(%Y-%m-%dT%H:%M:%SZ)T' $((EPOCHSECONDS + ahead)))
kubectl apply --filename - <<<"${manifests//$never/$at}" >&2 || failed "the load cannot be applied"
echo "the shards begin at $at" >&2
ended loadgen
go_on loadgen-merge
ended loadgen-merge
ours logs job/loadgen-merge || true
code=$(ours get pods --selector job-name=loadgen-merge \
    --output 'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}') || code=
[[ $code =~ ^[0-9]+$ ]] || failed "nobody knows how the merge ended"

go_on loadgen-fetch
until=$((EPOCHSECONDS + 300))
until pod=$(ours get pods --selector job-name=loadgen-fetch --field-selector status.phase=Running \
    --output 'jsonpath={.items[0].metadata.name}' 2>/dev/null) && [ -n "$pod" ]; do
    [ "$EPOCHSECONDS" -lt "$until" ] || failed "the records stay in the cluster: loadgen-fetch does not run"
    sleep 2
done
ours cp "$pod:/records/$at" "$out" >&2 || failed "the records cannot be copied"
ours delete job loadgen-fetch >&2 || true
exit "$code"
