//! The listener ports of a gateway: which are open, where they really listen, and how they follow the configuration.
//! What happens on their connections is the business of the cores, which are told by commands.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Semaphore, mpsc};

use crate::listen::Command;
use crate::options::Options;
use crate::server::{Error, Notices};
use crate::snapshot::{Bind, Snapshot};

/// Connections that may wait to be accepted, if the kernel lets so many.
pub(crate) const BACKLOG: i32 = 4096;
/// Longest wait until all cores have closed or renewed a port.
const CHANGING: Duration = Duration::from_secs(1);

/// The ports, and the cores that serve them.
pub(crate) struct Ports {
    state: Mutex<State>,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    pub(crate) notices: Notices,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<u16, Open>,
    stopped: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    address: SocketAddr,
    tls: bool,
}

/// A socket for a port, on which nobody accepts yet.
struct Opened {
    port: u16,
    open: Open,
    socket: TcpListener,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Ports {
    pub(crate) fn new(commands: Vec<mpsc::UnboundedSender<Command>>, notices: Notices) -> Self {
        Self { state: Mutex::default(), commands, notices }
    }

    /// Where a port of the configuration really listens.
    pub(crate) fn address(&self, port: u16) -> Option<SocketAddr> {
        self.state().open.get(&port).map(|open| open.address)
    }

    /// Tells the core that has the sockets, which passes on what concerns the others.
    fn tell_host(&self, command: Command) {
        // a core that is gone needs no command
        let _told = self.commands.first().map(|core| core.send(command));
    }

    /// Tells all cores.
    pub(crate) fn tell(&self, command: impl Fn() -> Command) {
        for core in &self.commands {
            // a core that is gone needs no command
            let _told = core.send(command());
        }
    }

    /// Tells all cores to stop; from then on no port is opened.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        // without the core that has the sockets nobody would pass it on
        if self.commands.first().is_none_or(|host| host.send(Command::Stop).is_err()) {
            self.tell(|| Command::Stop);
        }
    }

    /// Opens the ports that a snapshot needs, has it served, and closes the others; all of it or, when an address
    /// cannot be had, nothing.
    pub(crate) fn follow(&self, snapshot: &Snapshot, options: &Options, serve: impl FnOnce()) -> Result<(), Error> {
        let mut state = self.state();
        if state.stopped {
            return Ok(());
        }
        let new = snapshot.binds.iter().filter(|bind| !state.open.contains_key(&bind.port));
        let opened = new.map(|bind| Opened::new(bind, options)).collect::<Result<Vec<_>, _>>()?;
        // all of them could be had: only now anything changes, and nobody is accepted before it has
        serve();
        for Opened { port, open, socket } in opened {
            self.tell_host(Command::Open(port, socket, Arc::new(Semaphore::new(options.connections))));
            (self.notices)(&format!("listening port={port} address={}", open.address));
            state.open.insert(port, open);
        }
        let (changing, changed) = std::sync::mpsc::sync_channel(1);
        state.open.retain(|port, open| {
            let Some(bind) = snapshot.binds.iter().find(|bind| bind.port == *port) else {
                self.tell_host(Command::Close(*port, changing.clone()));
                (self.notices)(&format!("closing port={port}"));
                return false;
            };
            let tls = bind.tls.is_some();
            // connections of a port that becomes another kind of port end like those of one that is closed, but its
            // socket stays: nobody is turned away who comes at this moment
            if std::mem::replace(&mut open.tls, tls) != tls {
                self.tell_host(Command::Renew(*port, changing.clone()));
            }
            true
        });
        drop(changing);
        // an address can only be had again when it has been let go, and who comes after the word of the change is not
        // to meet a core that has not heard of it
        let _all_changed = changed.recv_timeout(CHANGING);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn new(bind: &Bind, options: &Options) -> Result<Self, Error> {
        let port = bind.port;
        let wanted = options.listen.iter().find(|(of, _)| *of == port).map(|(_, address)| *address);
        let wanted = wanted.unwrap_or(SocketAddr::new(options.bind, port));
        let failed = |source| Error::Listen { what: format!("listener port {port}"), address: wanted, source };
        let socket = listen_on(wanted).map_err(failed)?;
        let open = Open { address: socket.local_addr().map_err(failed)?, tls: bind.tls.is_some() };
        Ok(Self { port, open, socket })
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
