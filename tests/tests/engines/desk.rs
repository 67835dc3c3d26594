//! A place in which scripts are run beside programs that stand in for those of other machines: each notes what it is told.

use crate::{deploy, program};
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Stands in for the generator: notes its words, leaves a record, and refuses to be the shard $REFUSED. An instant that has passed is
/// refused, and the option `--wrong` before that.
pub(crate) const GENERATOR: &str = r#"
case " $* " in *" --wrong "*) echo 'loadgen: --wrong is wrong' >&2; exit 2 ;; *" --start-at 2000-"*) exit 4 ;; esac
line=$(printf '[%s]' "$@")
echo "$line" >>"$TOLD"
[ "$1" != merge ] || exit "${MERGED:-0}"
while [ $# -gt 1 ]; do
    case $1 in --out) out=$2 ;; --shard) shard=$2 ;; esac
    shift
done
[ "$shard" != "${REFUSED:-}" ] && [ "${REFUSED:-}" != all ] || { echo "refused"; exit 4; }
mkdir -p "$out" && echo "$shard" >"$out/run.json"
"#;

/// Stands in for ssh: a host is this machine, greets, and has a shell of its own. `gone` is none; to `breaks` the connection breaks while
/// a record is fetched.
pub(crate) const SSH: &str = r#"
while [ "$1" != -- ]; do shift; done
[ "$2" != gone ] || exit 255
printf 'Welcome\nto %s' "$2"
case "$2 $3" in "breaks "*" tar "*) sh -c "$3" | head -c 700; exit 255 ;; esac
exec sh -c "$3"
"#;

/// Stands in for sbatch: runs each task of an array, and what waits for it, at once.
pub(crate) const SBATCH: &str = r#"
echo "sbatch $*" >>"$TOLD"
own=()
while [[ $1 == -* ]]; do own+=("$1") && shift; done
cp "$1" spooled && shift
for word in "${own[@]}"; do case $word in --output=*) log=${word#*=} ;; esac; done
case " ${own[*]} " in
    *" --array=1-3%3 "*)
        for n in 1 2 3; do SLURM_ARRAY_TASK_ID=$n bash spooled "$@" >"${log/\%a/$n}" || true; done
        echo '17;cluster'
        ;;
    *" --dependency=afterany:17 "*)
        [ -z "${STOPPED:-}" ] || kill -s TERM 0
        SLURM_JOB_ID=18 exec bash spooled "$@" >"$log" ;;
esac
"#;

/// Stands in for kubectl: the target is there, one shard has failed, and the merge ends with 1.
pub(crate) const KUBECTL: &str = r#"
echo "kubectl $*" >>"$TOLD"
case $* in
    kustomize*) printf '%s\n' '  OPTIONS: ""' '  RATE: "1"' '  SHARDS: "3"' '  URL: http://y/' 'START_AT: "2000-01-01T00:00:00Z"' ;;
    *apply*) sed 's/^/applied /' >>"$TOLD" ;;
    *"get deployments"*) echo deployment.apps/target-app ;;
    *"get job loadgen "*)
        [ -z "${STOPPED:-}" ] || kill -s TERM 0
        echo 'FailureTarget Failed'
        ;;
    *"get job "*) echo Complete ;;
    *"get pods"*exitCode*) printf 1 ;;
    *"get pods"*) printf fetching ;;
    *" cp "*) mkdir "${@: -1}" ;;
esac
"#;

/// A directory with programs that go before the installed ones, and what they were told.
pub(crate) struct Desk {
    dir: TempDir,
}

impl Desk {
    pub(crate) fn new(programs: &[(&str, &str)]) -> Self {
        let desk = Self { dir: TempDir::new().unwrap() };
        std::fs::create_dir(desk.path("bin")).unwrap();
        for (name, text) in programs {
            program(&desk.path("bin").join(name), text);
        }
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command here to its end.
    pub(crate) fn run(&self, command: &mut Command) -> Output {
        let path = std::env::var("PATH").unwrap();
        command.current_dir(self.dir.path()).env("TOLD", self.path("told")).env_remove("LOADGEN");
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).output().unwrap()
    }

    /// Runs a script of ours with these words.
    pub(crate) fn script(&self, name: &str, words: &[&str], set: &[(&str, &str)]) -> Output {
        self.run(Command::new(deploy().join(name)).args(words).envs(set.iter().copied()))
    }

    /// The lines that were noted, and forgets them.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = std::fs::read_to_string(self.path("told")).unwrap_or_default();
        std::fs::write(self.path("told"), "").unwrap();
        told.lines().map(str::to_owned).collect()
    }
}

pub(crate) fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
