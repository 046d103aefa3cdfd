//! Real programs as peers. Where one is not installed the test says so and is skipped; with `CI` set it fails.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A child that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is; `None`, said aloud, if it is not installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(extra);
    let found = folders.find(|folder| folder.join(name).is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} is not installed, and CI must not skip what needs it"
        );
        println!("skipped: {name} is not installed");
    }
    found.map(|folder| folder.join(name))
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
pub fn wait_for_port(port: u16) {
    let what = format!("something listens on {port}");
    wait_for(&what, || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

pub fn spawn(program: &Path, arguments: &[&str]) -> Running {
    let child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// mosquitto, which keeps its sessions on disk.
pub struct Mosquitto {
    program: PathBuf,
    conf: String,
    pub port: u16,
    running: Option<Running>,
}

impl Mosquitto {
    pub fn start(folder: &Path) -> Option<Mosquitto> {
        let program = program("mosquitto")?;
        self::program("mosquitto_pub")?;
        let port = free_port();
        let folder = folder.display();
        let conf = format!("{folder}/mosquitto.conf");
        // As root it becomes the user mosquitto, who must be able to write its sessions; `user root` keeps it root.
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\n"
        );
        std::fs::write(&conf, text).unwrap();
        let mut mosquitto = Mosquitto {
            program,
            conf,
            port,
            running: None,
        };
        mosquitto.restart();
        Some(mosquitto)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it on what it had, and waits until it listens.
    pub fn restart(&mut self) {
        self.running = None;
        self.running = Some(spawn(&self.program, &["-c", &self.conf]));
        wait_for_port(self.port);
    }

    /// Publishes one message; returns when the broker has it.
    pub fn publish(&self, topic: &str, body: &str, more: &[&str]) {
        let port = self.port.to_string();
        let done = Command::new("mosquitto_pub")
            .args(["-p", &port, "-q", "1", "-t", topic, "-m", body])
            .args(more)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

/// The agent's own program.
pub fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edge-agent"))
        .args(arguments)
        .env_remove("LANG")
        .env_remove("LC_ALL")
        .output()
        .unwrap()
}

/// A running agent as a process of its own.
pub fn spawn_agent(config: &Path) -> Running {
    let path = config.display().to_string();
    spawn(
        Path::new(env!("CARGO_BIN_EXE_edge-agent")),
        &["run", "--config", &path],
    )
}
