//! Real Redis servers on free ports, each with a folder of its own. They end with their handle, also when a test panics.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A server starts within this time on the slowest machine.
const START: Duration = Duration::from_secs(60);

/// How often a server is started on another port, where somebody was faster to take the port that was free.
const TRIES: usize = 5;

/// The file in which a server writes its process's number.
const PID: &str = "pid";

/// A folder that is removed with its handle.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("request-manager-redis-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left for the system to clean where it cannot be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens, on 127.0.0.1; 0 where only a socket or TLS is served.
    pub(crate) port: u16,
    child: Child,
    folder: Folder,
    arguments: Vec<String>,
}

impl Server {
    /// A server with these settings, one word each, beside a free port.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Server::start_in(Folder::new(), |port| {
            let mut arguments = vec!["--port".to_owned(), port.to_string()];
            arguments.extend(settings.iter().map(|word| (*word).to_owned()));
            arguments
        })
    }

    /// A server whose command line depends on its free port.
    pub(crate) fn start_in(folder: Folder, arguments: impl Fn(u16) -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let port = free_port();
            let arguments = arguments(port);
            let mut child = spawn(&folder, &arguments);
            if is_up(&mut child, &folder, port) {
                return Server {
                    port,
                    child,
                    folder,
                    arguments,
                };
            }
        }
        panic!("redis-server does not start");
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after `kill`, on the same port.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.folder, &self.arguments);
        assert!(
            is_up(&mut self.child, &self.folder, self.port),
            "redis-server does not start again"
        );
    }

    /// Stops it where it is, as a machine that hangs would, until [`Server::go_on`].
    pub(crate) fn hang(&self) {
        signal(&self.child, "-STOP");
    }

    /// Ends [`Server::hang`].
    pub(crate) fn go_on(&self) {
        signal(&self.child, "-CONT");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago, with room above for a cluster's second port.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < 55_000 {
            return port;
        }
    }
}

fn spawn(folder: &Folder, arguments: &[String]) -> Child {
    let log = fs::File::create(folder.0.join("log")).unwrap();
    // Of the server before, if this is a restart.
    let _ = fs::remove_file(folder.file(PID));
    // A file of settings comes first, as in redis-server's own usage.
    let (first, rest) = match arguments.first() {
        Some(first) if !first.starts_with("--") => (vec![first.as_str()], &arguments[1..]),
        _ => (vec![], arguments),
    };
    Command::new("redis-server")
        .args(first)
        .args(["--save", ""])
        .args(["--bind", "127.0.0.1"])
        .args(["--dir", &folder.file("")])
        .args(["--pidfile", &folder.file(PID)])
        .args(rest)
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .expect("redis-server is missing (Debian: apt-get install redis-server)")
}

/// Waits until it takes commands: `PING` is answered, by whatever. `false` if it has ended, because its port was taken.
fn is_up(child: &mut Child, folder: &Folder, port: u16) -> bool {
    let end = Instant::now() + START;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // Written when it has its port: until then somebody else may answer there.
        if fs::exists(folder.file(PID)).unwrap() && answers(port) {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not answer on port {port}");
}

/// `-LOADING` is no answer yet; `-NOAUTH` is one.
fn answers(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = [0; 5];
    socket.set_read_timeout(Some(START)).unwrap();
    socket.write_all(b"PING\r\n").is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && matches!(&answer, b"+PONG" | b"-NOAU")
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Certificates for tests, made by `openssl`.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: Folder,
}

impl Certificates {
    /// An authority, and a server's and a client's certificate signed by it; the server's is for `redis.test` and 127.0.0.1.
    pub(crate) fn make() -> Self {
        let certificates = Certificates {
            folder: Folder::new(),
        };
        let folder = &certificates.folder;
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        let authority = [
            "req",
            "-x509",
            "-subj",
            "/CN=authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ];
        openssl(&folder.0, &[&authority[..], &key].concat());
        for name in ["server", "client"] {
            let (key_file, file) = (format!("{name}.key"), format!("{name}.crt"));
            let signed = [
                "req",
                "-x509",
                "-subj",
                "/CN=x",
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-keyout",
                &key_file,
                "-out",
                &file,
                "-addext",
                "subjectAltName=DNS:redis.test,IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ];
            openssl(&folder.0, &[&signed[..], &key].concat());
        }
        certificates
    }

    /// The text of `ca.crt`, `client.key`, …
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.0.join(name)).unwrap()
    }

    /// The path of `ca.crt`, `server.key`, …
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.file(name)
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("openssl is missing (Debian: apt-get install openssl)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
}
