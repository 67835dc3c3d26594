//! Tells the program which commit it is built from, for the footers of its pictures and its records.

use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| String::from("unknown"));
    emit(&format!("cargo::rustc-env=LOADGEN_COMMIT={commit}"));
    emit("cargo::rerun-if-changed=build.rs");
    // A new commit changes the log of HEAD; a checkout changes HEAD itself.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) =
            git(&["rev-parse", "--git-path", file]).filter(|p| std::path::Path::new(p).exists())
        {
            emit(&format!("cargo::rerun-if-changed={path}"));
        }
    }
}

fn emit(line: &str) {
    println!("{line}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    (out.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
