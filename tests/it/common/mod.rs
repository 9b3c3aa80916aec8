//! The binary under test, a collection to search, and a server that ends with its test.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// Number of pictures per class in the test collection.
pub(crate) const PER_CLASS: &str = "14";

/// A command of the binary under test, set up with the test folders. It only logs warnings.
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

/// Folder that caches the weights of the encoders between runs.
pub(crate) fn models() -> PathBuf {
    std::env::var_os("DIPTYCH_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), PathBuf::from)
}

/// Folder for files that tests create once and share.
pub(crate) fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Standard output of a finished command, followed by its standard error.
pub(crate) fn combined_output(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command to completion, panics unless it succeeds, and returns its output.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}", output.status);
    text
}

/// Whether the demo collection can be downloaded here. Prints that the test is skipped if it cannot.
pub(crate) fn apt_available() -> bool {
    let found = ["apt-get", "dpkg-deb"].iter().all(|tool| {
        Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    });
    if !found {
        eprintln!("skipped: the demo collection is downloaded with apt, which is not installed");
    }
    found
}

/// A trained collection with a few pictures of each class of the demo. It is created once; tests that change it use
/// [`copy_collection`]. `None` if it cannot be downloaded, in which case the test is skipped.
pub(crate) fn trained_collection() -> Option<&'static Path> {
    static COLLECTION: OnceLock<Option<PathBuf>> = OnceLock::new();
    COLLECTION
        .get_or_init(|| {
            if !apt_available() {
                return None;
            }
            let data = cache().join("trained-collection");
            let _ = fs::remove_dir_all(&data);
            let output = succeed(diptych(&data).args(["demo", "--no-serve", "--per-class", PER_CLASS]));
            fs::write(cache().join("demo-output.txt"), &output).expect("the output is written");
            Some(data)
        })
        .as_deref()
}

/// Output of the command that created [`trained_collection`].
pub(crate) fn demo_output() -> String {
    fs::read_to_string(cache().join("demo-output.txt")).expect("the output of the demo")
}

/// A copy of a data folder that a test may change. Pictures outside the folder are shared with the original.
pub(crate) fn copy_collection(from: &Path) -> tempfile::TempDir {
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

    /// Like [`Self::start`], with flags.
    pub(crate) async fn start_with(data: &Path, flags: &[&str]) -> Self {
        let server = Self::start_unready(data, flags);
        let client = reqwest::Client::new();
        wait_for("readiness", Duration::from_secs(60), async || {
            let response = client.get(format!("{}/readyz", server.base)).send().await;
            response.is_ok_and(|a| a.status().is_success()).then_some(())
        })
        .await;
        server
    }

    /// Starts `diptych serve` on a free port, with flags, and waits until it listens.
    pub(crate) fn start_unready(data: &Path, flags: &[&str]) -> Self {
        let mut command = diptych(data);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        Self::spawn(command, data)
    }

    /// Starts a service from a command, and waits until it listens. Its log goes to `serve.log` in `data`.
    pub(crate) fn spawn(mut command: Command, data: &Path) -> Self {
        let log = File::create(data.join("serve.log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let base = loop {
            let Some(Ok(line)) = lines.next() else {
                let log = fs::read_to_string(data.join("serve.log")).unwrap_or_default();
                panic!("the service exited before it listened:\n{log}");
            };
            if let Some(address) = line.strip_prefix("diptych serves ") {
                break address.trim_end_matches('/').to_owned();
            }
        };
        Self { child, base }
    }

    /// Sends SIGKILL and waits for the process.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the service is killed");
        self.child.wait().expect("the service exits");
    }

    /// Sends SIGTERM and waits for the process.
    pub(crate) fn terminate(self) -> std::process::ExitStatus {
        self.request_shutdown();
        self.wait()
    }

    /// Sends SIGTERM.
    pub(crate) fn request_shutdown(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    /// Waits until the process exits.
    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("the service exits")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls `check` until it returns a value.
pub(crate) async fn wait_for<T>(what: &str, at_most: Duration, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(began.elapsed() < at_most, "timed out after {at_most:?} waiting for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A service on [`trained_collection`], shared by all tests that only read. It ends with the test process.
pub(crate) async fn shared_server() -> Option<&'static str> {
    static SERVER: tokio::sync::OnceCell<Option<Server>> = tokio::sync::OnceCell::const_new();
    let server = SERVER
        .get_or_init(async || {
            let collection =
                tokio::task::spawn_blocking(trained_collection).await.expect("the collection is created")?;
            let server = Server::start(collection).await;
            kill_with_test_process(&server);
            Some(server)
        })
        .await;
    server.as_ref().map(|s| s.base.as_str())
}

/// Statics are never dropped, so a watcher process kills the shared service once the test process has exited.
fn kill_with_test_process(server: &Server) {
    static WATCHERS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -9 {} 2>/dev/null",
        std::process::id(),
        server.child.id()
    );
    let watcher = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    WATCHERS.lock().unwrap_or_else(PoisonError::into_inner).extend(watcher);
}

/// The single value that an SQL query of the catalog returns.
pub(crate) async fn query_scalar<T>(data: &Path, query: &'static str) -> T
where
    T: Send + Unpin + sqlx::Type<sqlx::Sqlite> + for<'r> sqlx::Decode<'r, sqlx::Sqlite>,
{
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("catalog.sqlite3")).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the catalog opens");
    let value: T = sqlx::query_scalar(query).fetch_one(&pool).await.expect("the query runs");
    pool.close().await;
    value
}

/// The number that an SQL query of the catalog returns.
pub(crate) async fn count(data: &Path, query: &'static str) -> i64 {
    query_scalar(data, query).await
}

/// Sets a property of the collection in its catalog.
pub(crate) async fn set_property(data: &Path, name: &str, value: &str) {
    let pool = open_for_writing(data).await;
    sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(&pool)
        .await
        .expect("the property is set");
    pool.close().await;
}

/// Runs an SQL statement on the catalog, with foreign keys off, to bring it into a state that the program never writes.
pub(crate) async fn execute_sql(data: &Path, statement: &'static str) {
    let pool = open_for_writing(data).await;
    sqlx::query(statement).execute(&pool).await.expect("the statement runs");
    pool.close().await;
}

async fn open_for_writing(data: &Path) -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("catalog.sqlite3")).foreign_keys(false);
    sqlx::SqlitePool::connect_with(options).await.expect("the catalog opens")
}
