//! The binary under test, a collection to search, and a server that ends with its test.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// Pictures of each class in the tests' collection.
pub(crate) const PER_CLASS: &str = "14";

/// The binary with the tests' folders. It runs quietly unless it fails.
pub(crate) fn diptych(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    command
        .env("DIPTYCH_DATA", data)
        .env("DIPTYCH_MODELS", models())
        .env("DIPTYCH_DEMO_PACKAGES", cache().join("demo-packages"))
        .env("DIPTYCH_LOG", "warn")
        .stdin(Stdio::null());
    command
}

/// Where the encoders' weights are kept between runs.
pub(crate) fn models() -> PathBuf {
    std::env::var_os("DIPTYCH_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), PathBuf::from)
}

/// Where tests keep what is made once.
pub(crate) fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// What a finished command said on both streams.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command to its end and insists that it ends well.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the binary starts");
    let said = said(&output);
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    said
}

/// Whether this machine can fetch the demo collection. Says so where it cannot.
pub(crate) fn has_apt() -> bool {
    let found = ["apt-get", "dpkg-deb"].iter().all(|tool| {
        Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    });
    if !found {
        eprintln!("skipped: the demo collection comes through apt, which is not here");
    }
    found
}

/// A trained collection: a few pictures of each class of the demo, made once for all tests and then only copied.
/// `None` where it cannot be had; the test then says that it skips.
pub(crate) fn trained_collection() -> Option<&'static Path> {
    static COLLECTION: OnceLock<Option<PathBuf>> = OnceLock::new();
    COLLECTION
        .get_or_init(|| {
            if !has_apt() {
                return None;
            }
            let data = cache().join("trained-collection");
            let _ = fs::remove_dir_all(&data);
            let said = succeed(diptych(&data).args(["demo", "--no-serve", "--per-class", PER_CLASS]));
            fs::write(cache().join("demo-output.txt"), &said).expect("the output can be kept");
            Some(data)
        })
        .as_deref()
}

/// What the making of [`trained_collection`] printed.
pub(crate) fn demo_output() -> String {
    fs::read_to_string(cache().join("demo-output.txt")).expect("the collection was made")
}

/// A copy of [`trained_collection`] that a test may change. The pictures stay where they are.
pub(crate) fn own_copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(from, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A running service, killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
}

impl Server {
    /// Starts `diptych serve` on a free port and waits until it is ready.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// As [`Self::start`], with flags.
    pub(crate) async fn start_with(data: &Path, flags: &[&str]) -> Self {
        let server = Self::start_unready(data, flags);
        let client = reqwest::Client::new();
        wait_for("readiness", Duration::from_secs(60), async || {
            let answer = client.get(format!("{}/readyz", server.base)).send().await;
            answer.is_ok_and(|a| a.status().is_success()).then_some(())
        })
        .await;
        server
    }

    /// Starts `diptych serve` on a free port, with flags, and waits until it listens.
    pub(crate) fn start_unready(data: &Path, flags: &[&str]) -> Self {
        let mut command = diptych(data);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        Self::of(command, data)
    }

    /// Starts a service by a command, and waits until it listens.
    pub(crate) fn of(mut command: Command, data: &Path) -> Self {
        let log = File::create(data.join("serve.log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let base = loop {
            let Some(Ok(line)) = lines.next() else {
                let log = fs::read_to_string(data.join("serve.log")).unwrap_or_default();
                panic!("the service ended before it listened:\n{log}");
            };
            if let Some(address) = line.strip_prefix("diptych serves ") {
                break address.trim_end_matches('/').to_owned();
            }
        };
        Self { child, base }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(self) -> std::process::ExitStatus {
        self.ask_to_end();
        self.ended()
    }

    /// SIGTERM.
    pub(crate) fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    /// Waits for its end, and says how it ended.
    pub(crate) fn ended(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `check` gives something.
pub(crate) async fn wait_for<T>(what: &str, at_most: Duration, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(began.elapsed() < at_most, "{what} did not come within {at_most:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running service over [`trained_collection`], shared by all tests that only ask. Ends with the process.
pub(crate) async fn shared_server() -> Option<&'static str> {
    static SERVER: tokio::sync::OnceCell<Option<Server>> = tokio::sync::OnceCell::const_new();
    let server = SERVER
        .get_or_init(async || {
            let collection = tokio::task::spawn_blocking(trained_collection).await.expect("the collection is made")?;
            let server = Server::start(collection).await;
            end_with_process(&server);
            Some(server)
        })
        .await;
    server.as_ref().map(|s| s.base.as_str())
}

/// A static is never dropped, so a watcher ends the shared service when the test process is gone.
fn end_with_process(server: &Server) {
    static WATCHERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -9 {} 2>/dev/null",
        std::process::id(),
        server.child.id()
    );
    let watcher = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    WATCHERS.lock().unwrap_or_else(PoisonError::into_inner).extend(watcher);
}

/// What a query of the collection's catalog finds: one row of one column.
pub(crate) async fn found<T>(data: &Path, query: &'static str) -> T
where
    T: Send + Unpin + sqlx::Type<sqlx::Sqlite> + for<'r> sqlx::Decode<'r, sqlx::Sqlite>,
{
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("catalog.sqlite3")).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the catalog opens");
    let value: T = sqlx::query_scalar(query).fetch_one(&pool).await.expect("the query runs");
    pool.close().await;
    value
}

/// Rows of a table of the collection's catalog.
pub(crate) async fn count(data: &Path, query: &'static str) -> i64 {
    found(data, query).await
}

/// Sets a fact of the collection's catalog.
pub(crate) async fn set_property(data: &Path, name: &str, value: &str) {
    let pool = writable(data).await;
    sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(&pool)
        .await
        .expect("it is set");
    pool.close().await;
}

/// Does something to the collection's catalog that only somebody who means it harm would do.
pub(crate) async fn damage(data: &Path, statement: &'static str) {
    let pool = writable(data).await;
    sqlx::query(statement).execute(&pool).await.expect("it is damaged");
    pool.close().await;
}

async fn writable(data: &Path) -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("catalog.sqlite3")).foreign_keys(false);
    sqlx::SqlitePool::connect_with(options).await.expect("the catalog opens")
}
