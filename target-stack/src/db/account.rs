//! The user that the database server runs as. Database servers refuse to run as root, so root lends it another
//! identity; anyone else runs it as themselves. Reads /etc/passwd; never changes an identity itself.

use crate::failure::{Failure, Outcome};
use rustix::fs::{Gid, Uid};
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

/// A user and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid.as_raw(), self.gid.as_raw())
    }
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The largest number means "leave as it is" to the kernel, which here would mean: stay root.
        let id = |part: &str| part.parse::<u32>().ok().filter(|&id| id != u32::MAX);
        text.split_once(':')
            .and_then(|(uid, gid)| Some((id(uid)?, id(gid)?)))
            .map(|(uid, gid)| Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
            .ok_or_else(|| format!("`{text}` is not UID:GID"))
    }
}

/// The identity to lend to the server, or none when this process is not root.
///
/// # Errors
/// When this process is root and the system knows no other user.
pub(super) fn to_lend() -> Outcome<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")
        .map_err(|e| Failure::start(format!("cannot read /etc/passwd: {e}")))?;
    ["mysql", "nobody"].into_iter().find_map(|name| find(&users, name)).map(Some).ok_or_else(|| {
        Failure::start("a database server does not run as root, and there is no user `mysql` or `nobody`")
    })
}

fn find(users: &str, name: &str) -> Option<Account> {
    // passwd(5): name:password:uid:gid:...
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        if found { format!("{uid}:{gid}").parse().ok() } else { None }
    })
}

/// Gives `path` to `account`.
pub(super) fn give(path: &Path, account: Account) -> std::io::Result<()> {
    Ok(rustix::fs::chown(path, Some(account.uid), Some(account.gid))?)
}

/// Sees to it that `account` can walk down to `dir`: the server would only say "permission denied".
pub(super) fn can_reach(dir: &Path, account: Account) -> Outcome {
    let closed = dir.ancestors().skip(1).find(|parent| {
        std::fs::metadata(parent).is_ok_and(|is| {
            let bit = if is.uid() == account.uid.as_raw() {
                0o100
            } else if is.gid() == account.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            is.mode() & bit == 0
        })
    });
    closed.map_or(Ok(()), |parent| {
        Err(Failure::usage(format!(
            "the database runs as user {account}, which may not enter {}; choose another --dir, or chmod a+x it",
            parent.display()
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd_and_from_the_command_line() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nmysql:x:102:105:MySQL:/none:/bin/false\n";
        let found = find(users, "mysql").expect("mysql is listed");
        assert_eq!(found.to_string(), "102:105");
        assert_eq!("102:105".parse(), Ok(found));
        assert_eq!(find(users, "mysq"), None);
        for text in ["", "1", "1:", "a:1", "1:4294967295"] {
            assert!(text.parse::<Account>().is_err(), "{text}");
        }
    }
}
