//! Real servers for tests: InfluxDB 1.6.7 behind a v2 write path, VictoriaMetrics, and mosquitto.
//!
//! Promise: each runs on free loopback ports in a folder of its own and is gone when dropped. Where a program is
//! not installed, `start` says so with `None` and a printed reason; with `CI` set that is a failure instead.
//!
//! InfluxDB 1.6.7 has no `/api/v2/write`. nginx stands in front of it, rewrites the path and checks the token as
//! 2.x does; everything else is the real engine.

use anyhow::{Context, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The token that [`Influx`] accepts.
pub const INFLUX_TOKEN: &str = "test-token";
/// The database (bucket) that [`Influx`] has.
pub const INFLUX_BUCKET: &str = "iot";

/// InfluxDB 1.6.7 behind nginx.
#[derive(Debug)]
pub struct Influx {
    dir: TempDir,
    port: u16,
    front_port: u16,
    influxd: Option<Running>,
    _nginx: Running,
}

/// VictoriaMetrics.
#[derive(Debug)]
pub struct Victoria {
    _dir: TempDir,
    port: u16,
    _running: Running,
}

/// The MQTT broker mosquitto, which keeps its sessions on disk.
#[derive(Debug)]
pub struct Mosquitto {
    dir: TempDir,
    port: u16,
    running: Option<Running>,
}

/// A child that is killed when dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Influx {
    /// Starts it with an empty database [`INFLUX_BUCKET`].
    pub fn start() -> anyhow::Result<Option<Self>> {
        let (Some(_), Some(nginx)) = (program("influxd")?, program("nginx")?) else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let (port, rpc_port, front_port) = (free_port()?, free_port()?, free_port()?);
        std::fs::write(
            dir.path().join("influxdb.conf"),
            influx_conf(dir.path(), port, rpc_port),
        )?;
        std::fs::write(
            dir.path().join("nginx.conf"),
            nginx_conf(dir.path(), port, front_port),
        )?;
        let nginx = Command::new(nginx)
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .arg("-e")
            .arg(dir.path().join("nginx.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let mut influx = Self {
            dir,
            port,
            front_port,
            influxd: None,
            _nginx: Running(nginx),
        };
        wait_for_port(front_port)?;
        influx.restart()?;
        Ok(Some(influx))
    }

    /// The address to configure.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.front_port)
    }

    /// Answers an InfluxQL query with the rows of its first series: times in ms, then the columns asked for.
    pub fn query(&self, text: &str) -> anyhow::Result<Vec<Vec<serde_json::Value>>> {
        let mut form = format!("db={INFLUX_BUCKET}&epoch=ms&q=");
        for byte in text.bytes() {
            form += &format!("%{byte:02X}");
        }
        let answer = http(self.port, "POST", "/query", &form)?;
        let body = body(&answer)?;
        let json: serde_json::Value =
            serde_json::from_str(&body).with_context(|| format!("not JSON: {body:.200}"))?;
        if let Some(error) = json["error"]
            .as_str()
            .or(json["results"][0]["error"].as_str())
        {
            bail!("InfluxDB refused {text:?}: {error}");
        }
        let rows = json["results"][0]["series"][0]["values"].as_array();
        Ok(rows
            .into_iter()
            .flatten()
            .filter_map(|row| row.as_array().cloned())
            .collect())
    }

    /// Kills the engine with SIGKILL; nginx stays and answers 502.
    pub fn kill(&mut self) {
        self.influxd = None;
    }

    /// Starts the engine on what it had, and waits until it answers.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.influxd = None;
        let influxd = program("influxd")?.context("influxd is gone")?;
        let log = std::fs::File::create(self.dir.path().join("influxd.log"))?;
        let child = Command::new(influxd)
            .args(["run", "-config"])
            .arg(self.dir.path().join("influxdb.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start influxd")?;
        self.influxd = Some(Running(child));
        wait_for_port(self.port)?;
        let limit = Instant::now() + Duration::from_secs(30);
        let create = format!("q=CREATE%20DATABASE%20{INFLUX_BUCKET}");
        while !http(self.port, "POST", "/query", &create)?.starts_with("HTTP/1.1 200") {
            if Instant::now() > limit {
                bail!("influxd does not create its database");
            }
        }
        Ok(())
    }
}

impl Victoria {
    /// Starts it, empty.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(victoria) = program("victoria-metrics")? else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let child = Command::new(victoria)
            .arg(format!(
                "-storageDataPath={}",
                dir.path().join("data").display()
            ))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-search.latencyOffset=0s"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start victoria-metrics")?;
        let victoria = Self {
            _dir: dir,
            port,
            _running: Running(child),
        };
        wait_for_port(port)?;
        Ok(Some(victoria))
    }

    /// The address to configure.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every sample of a metric as exported: one JSON object a line, times in ms.
    pub fn export(&self, metric: &str) -> anyhow::Result<String> {
        http(self.port, "GET", "/internal/force_flush", "")?;
        let answer = http(
            self.port,
            "POST",
            "/api/v1/export",
            &format!("match[]={metric}"),
        )?;
        body(&answer)
    }
}

impl Mosquitto {
    /// Starts it for anonymous clients of this machine.
    pub fn start() -> anyhow::Result<Option<Self>> {
        if program("mosquitto")?.is_none() {
            return Ok(None);
        }
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        // As root it becomes the user mosquitto, who must be able to write its sessions; `user root` keeps it root.
        std::fs::write(
            dir.path().join("mosquitto.conf"),
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
                 persistence_location {}/\nautosave_interval 1\nautosave_on_changes true\n\
                 max_queued_messages 0\n",
                dir.path().display()
            ),
        )?;
        let mut mosquitto = Self {
            dir,
            port,
            running: None,
        };
        mosquitto.restart()?;
        Ok(Some(mosquitto))
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it on what it had, and waits until it listens.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.running = None;
        let mosquitto = program("mosquitto")?.context("mosquitto is gone")?;
        let child = Command::new(mosquitto)
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start mosquitto")?;
        self.running = Some(Running(child));
        wait_for_port(self.port)
    }
}

/// The body of an answer that [`http`] gave.
fn body(answer: &str) -> anyhow::Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    Ok(if is_chunked {
        unchunk(body)
    } else {
        body.to_owned()
    })
}

fn influx_conf(dir: &Path, port: u16, rpc_port: u16) -> String {
    let dir = dir.display();
    format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc_port}\"\n[meta]\ndir = \"{dir}/meta\"\n\
         [data]\ndir = \"{dir}/data\"\nwal-dir = \"{dir}/wal\"\nindex-version = \"tsi1\"\nquery-log-enabled = false\n\
         [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n"
    )
}

fn nginx_conf(dir: &Path, port: u16, front_port: u16) -> String {
    let dir = dir.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .collect();
    format!(
        "daemon off; pid {dir}/pid; error_log {dir}/nginx.log; worker_processes 1;\nmaster_process off;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; client_max_body_size 50m;\n{temp}\
         map $arg_precision $prec {{ default n; ns n; us u; ms ms; s s; }}\n\
         server {{ listen 127.0.0.1:{front_port};\n\
         location = /api/v2/write {{\n\
         if ($http_authorization != \"Token {INFLUX_TOKEN}\") {{ return 401 '{{\"code\":\"unauthorized\"}}'; }}\n\
         set $args \"db=$arg_bucket&precision=$prec\"; rewrite ^ /write break;\n\
         proxy_pass http://127.0.0.1:{port}; proxy_set_header Authorization \"\"; }}\n\
         location / {{ proxy_pass http://127.0.0.1:{port}; proxy_set_header Authorization \"\"; }}\n\
         }} }}\n"
    )
}

/// Where a program is; `None`, said aloud, if it is not installed.
pub fn program(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path)
        .chain(extra)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found_or_skipped(found, &format!("{name} is not installed"))
}

/// The Python of `ONEDOOR_PYTHON`, if it has `module`; `None`, said aloud, if not.
pub fn python(module: &str) -> anyhow::Result<Option<PathBuf>> {
    let python = std::env::var_os("ONEDOOR_PYTHON").map(PathBuf::from);
    let found = python.filter(|python| {
        let import = Command::new(python)
            .args(["-c", &format!("import {module}")])
            .output();
        import.is_ok_and(|done| done.status.success())
    });
    let missing = format!("ONEDOOR_PYTHON names no Python that has {module}");
    found_or_skipped(found, &missing)
}

/// The library that shows a program another clock; `None`, said aloud, if it is not installed.
pub fn faketime() -> anyhow::Result<Option<PathBuf>> {
    let library = |folder: std::fs::DirEntry| folder.path().join("faketime/libfaketimeMT.so.1");
    let folders = std::fs::read_dir("/usr/lib")?.flatten();
    let found = folders.map(library).find(|file| file.is_file());
    found_or_skipped(found, "libfaketime is not installed")
}

/// Says why a test is skipped, if what it needs is not there; with `CI` set that is a failure.
pub fn found_or_skipped<T>(found: Option<T>, missing: &str) -> anyhow::Result<Option<T>> {
    if found.is_none() {
        if std::env::var_os("CI").is_some() {
            bail!("{missing}, and CI must not skip what needs it");
        }
        println!("skipped: {missing}");
    }
    Ok(found)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn wait_for_port(port: u16) -> anyhow::Result<()> {
    let limit = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > limit {
            bail!("nothing listens on port {port}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The least HTTP that will do; the answer with its head.
fn http(port: u16, method: &str, path: &str, form: &str) -> anyhow::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 || length > rest.len() {
            break;
        }
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}
