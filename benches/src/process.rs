//! The processes behind an address: who listens there, with all its descendants, what they have used and occupy.
//!
//! The kernel's word (`/proc`), so Linux only; whoever may not look at a process learns nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Duration;

use crate::cpu;

/// A process and its descendants, as they are at each look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    root: u32,
}

/// What a tree has used so far, and occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time on a core.
    pub cpu: Duration,
    /// Resident bytes; what several processes share counts for each.
    pub resident: u64,
    /// How many processes there are.
    pub processes: usize,
}

impl Tree {
    /// The tree under a process.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// The tree that listens on a TCP port of this machine; `None` where nobody does whom we may look at.
    pub fn listening_on(port: u16) -> Option<Self> {
        let sockets = listening_sockets(port);
        let pids: BTreeSet<u32> = all_pids().filter(|pid| holds(*pid, &sockets)).collect();
        let parents = parents();
        // Workers hold the socket that their parent opened.
        pids.iter().copied().find(|pid| parents.get(pid).is_none_or(|up| !pids.contains(up))).map(Self::of)
    }

    /// The process at its root.
    pub fn root(self) -> u32 {
        self.root
    }

    /// What it has used so far. An error, too, where one of its processes is there and cannot be looked at: seen later, all
    /// of its time would seem new.
    pub fn usage(self) -> io::Result<Usage> {
        let parents = parents();
        let mut usage = Usage { cpu: Duration::ZERO, resident: 0, processes: 0 };
        for pid in parents.keys().copied().filter(|pid| is_under(*pid, self.root, &parents)) {
            usage.cpu += match cpu::time_of(pid) {
                // It has ended since it was listed, and will not be seen later.
                Err(error) if cpu::is_gone(&error) => continue,
                time => time?,
            };
            usage.resident += resident(pid).unwrap_or(0);
            usage.processes += 1;
        }
        if usage.processes == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no process {}", self.root)));
        }
        Ok(usage)
    }
}

fn is_under(pid: u32, root: u32, parents: &BTreeMap<u32, u32>) -> bool {
    std::iter::successors(Some(pid), |pid| parents.get(pid).copied().filter(|up| up != pid)).any(|pid| pid == root)
}

fn all_pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Each process with its parent.
fn parents() -> BTreeMap<u32, u32> {
    all_pids().filter_map(|pid| Some((pid, parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The name in brackets may hold blanks and brackets itself.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

fn listening_sockets(port: u16) -> BTreeSet<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| listening_socket(line, port)).collect()
}

/// The inode of a line of `/proc/net/tcp`, where it is about a listener on this port.
fn listening_socket(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let at = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (at == port && *state == "0A").then(|| format!("socket:[{inode}]"))
}

fn holds(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|link| link.to_str().is_some_and(|to| sockets.contains(to)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_listens_on_a_port_is_found() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(any) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(Tree::listening_on(port), Some(Tree::of(std::process::id())), "{any}");
            drop(listener);
            assert_eq!(Tree::listening_on(port), None, "{any}");
        }
    }

    #[test]
    fn a_connection_is_no_listener() {
        let listener = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4242 1";
        assert_eq!(listening_socket(listener, 0x1f90).as_deref(), Some("socket:[4242]"));
        assert_eq!(listening_socket(listener, 80), None);
        assert_eq!(listening_socket(&listener.replace(" 0A ", " 01 "), 0x1f90), None);
    }

    #[test]
    fn a_tree_has_its_descendants() {
        let mut shell = Command::new("sh");
        let mut shell = shell.args(["-c", "cat; :"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut to, mut from) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        io::Write::write_all(&mut to, b"x").unwrap();
        io::Read::read_exact(&mut from, &mut [0]).unwrap();
        // What came back came from the child of the shell.
        let usage = Tree::of(shell.id()).usage().unwrap();
        drop(to);
        shell.wait().unwrap();
        assert_eq!(usage.processes, 2);
        assert!(usage.resident > 0 && usage.cpu > Duration::ZERO);
        assert!(Tree::of(shell.id()).usage().is_err());
    }

    #[test]
    fn the_time_of_a_child_that_has_ended_is_its_parents() {
        // the shell itself does next to nothing; both ways to its processes see what its child did
        let mut shell = Command::new("sh");
        let busy = "sh -c 'i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done'; echo x; cat; :";
        let mut shell = shell.args(["-c", busy]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let (usage, own) = (Tree::of(shell.id()).usage().unwrap(), cpu::time_of(shell.id()).unwrap());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(own.min(usage.cpu) > Duration::from_millis(40), "{own:?} of {:?}", usage.cpu);
    }

    #[test]
    fn a_name_with_brackets_hides_no_parent() {
        assert_eq!(parent("42 (a) b) (c) S 7 42 42 0"), Some(7));
    }
}
