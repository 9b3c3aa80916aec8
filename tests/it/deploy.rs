//! The files in `deploy/`. Without systemd or a Docker engine, each line is checked against what it refers to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    common::{Server, apt_available, combined_output, copy_collection, models, succeed, trained_collection},
    examples::tool_available,
    settings::isolated_diptych,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const UNIT: &str = include_str!("../../deploy/diptych.service");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");

/// All values of a key in the unit file.
fn unit_values(key: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn systemd_accepts_the_unit() {
    if !tool_available("systemd-analyze", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("diptych.service");
    fs::write(&file, UNIT.replace("/usr/local/bin/diptych", env!("CARGO_BIN_EXE_diptych"))).expect("a file");
    let output = Command::new("systemd-analyze").arg("verify").arg(&file).output().expect("systemd-analyze starts");
    assert!(output.status.success() && combined_output(&output).trim().is_empty(), "{}", combined_output(&output));
    // The threshold is in tenths; exposure ranges from 0 to 10 for a service without restrictions.
    let output =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(&file).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", combined_output(&output));
}

#[tokio::test]
async fn commands_of_the_unit_run_with_its_environment() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let state = data.path().to_str().expect("a path");
    let place = |text: &str| {
        let text = text
            .replace("/var/lib/diptych/data", state)
            .replace("/var/lib/diptych/models", models().to_str().expect("a path"));
        assert!(!text.contains("/var/lib"), "{text}");
        text
    };
    let commands: Vec<&str> = unit_values("ExecStartPre").into_iter().chain(unit_values("ExecStart")).collect();
    let [check, serve] = commands.as_slice() else { panic!("{commands:?}") };
    let folder = tempfile::tempdir().expect("a folder");
    let command = |line: &str| {
        let arguments = line.strip_prefix("/usr/local/bin/diptych ").expect("our binary");
        let mut command = isolated_diptych(folder.path());
        command.args(arguments.split(' '));
        for variable in unit_values("Environment") {
            let (name, value) = variable.split_once('=').expect("a variable");
            command.env(name, place(value));
        }
        command
    };
    let output = succeed(&mut command(check));
    for variable in unit_values("Environment") {
        let name = variable.split('=').next().expect("a name");
        assert!(output.lines().any(|line| line.ends_with(name)), "{name} is not a setting:\n{output}");
    }
    // An invalid setting prevents the service from starting.
    fs::write(folder.path().join("diptych.toml"), "listen = \"0.0.0.0:0\"\n").expect("a file");
    assert!(!command(check).status().expect("it starts").success());
    // A free port, set in the file of the working folder.
    fs::write(folder.path().join("diptych.toml"), "listen = \"127.0.0.1:0\"\n").expect("a file");
    let server = Server::spawn(command(serve), data.path());
    let healthy = crate::common::wait_for("health", std::time::Duration::from_secs(60), async || {
        let address = server.base.strip_prefix("http://").expect("an address");
        isolated_diptych(folder.path())
            .args(["health", "--listen", address])
            .output()
            .ok()
            .filter(|output| output.status.success())
    })
    .await;
    assert!(String::from_utf8_lossy(&healthy.stdout).contains("\"ready\""));
    // After SIGTERM the exit status is 0, so that Restart=on-failure does not restart the service.
    assert!(server.terminate().success());
}

/// An instruction of a Dockerfile.
struct Instruction {
    name: &'static str,
    rest: String,
    /// Index of its build stage.
    stage: usize,
}

fn instructions() -> Vec<Instruction> {
    let mut stages = 0;
    let lines = DOCKERFILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            assert!(!line.ends_with('\\') && !line.starts_with(' '), "each instruction is on one line: {line}");
            let (name, rest) = line.split_once(' ').expect("an instruction with arguments");
            stages += usize::from(name == "FROM");
            Instruction { name, rest: rest.to_owned(), stage: stages - 1 }
        })
        .collect()
}

fn instructions_named<'i>(all: &'i [Instruction], name: &str) -> Vec<&'i Instruction> {
    all.iter().filter(|one| one.name == name).collect()
}

/// `["a", "b"]`
fn list(text: &str) -> Vec<String> {
    serde_json::from_str(&text[text.find('[').expect("a list")..]).expect("a list in JSON")
}

/// Copies the build context: files in git that `.dockerignore` does not exclude.
fn copy_build_context(folder: &Path) -> Vec<PathBuf> {
    let ignored = include_str!("../../.dockerignore");
    let rules: Vec<&str> = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "everything is excluded by default");
    let included: Vec<&str> = rules[1..].iter().map(|rule| rule.strip_prefix('!').expect("an exception")).collect();
    let is_included = |file: &str| {
        included.iter().any(|rule| match rule.split_once('*') {
            Some((begin, end)) => {
                file.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).is_some_and(|name| !name.contains('/'))
            }
            None => file == *rule || file.starts_with(&format!("{rule}/")),
        })
    };
    let git = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = succeed(Command::new("git").args(git).current_dir(root()));
    let files: Vec<PathBuf> = listed.lines().filter(|file| is_included(file)).map(PathBuf::from).collect();
    for file in files.iter().filter(|file| root().join(file).exists()) {
        let target = folder.join(file);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::copy(root().join(file), target).expect("a copy");
    }
    files
}

#[test]
fn image_build_context_has_all_sources() {
    let all = instructions();
    let folder = tempfile::tempdir().expect("a folder");
    copy_build_context(folder.path());
    let build = tempfile::tempdir().expect("a folder");
    for copy in instructions_named(&all, "COPY").iter().filter(|copy| !copy.rest.starts_with("--from=")) {
        let words: Vec<&str> = copy.rest.split(' ').collect();
        let (target, sources) = words.split_last().expect("a target");
        for source in sources {
            let from = folder.path().join(source);
            assert!(from.exists(), "{source} is not in the build context");
            // COPY puts the content of a folder into the target, and a file into it under its name.
            let to = if from.is_dir() { build.path().join(target) } else { build.path().join(source) };
            succeed(Command::new("cp").arg("-rT").arg(&from).arg(&to));
        }
    }
    // cargo requires every target that the manifest names, and rustc every file that the code includes.
    let output = succeed(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
            .current_dir(build.path()),
    );
    assert!(output.contains("\"name\":\"diptych\""), "{output}");
    let run = instructions_named(&all, "RUN").into_iter().find(|run| run.rest.contains("cargo")).expect("a build");
    assert_eq!(run.rest, "cargo build --release --locked");
    for (file, code) in sources(&build.path().join("src")) {
        for part in code.split("include_str!(\"").skip(1) {
            let included = file.parent().expect("a folder").join(part.split('"').next().expect("a path"));
            // Files of tests are not part of the binary.
            let of_tests =
                part.split('"').next().is_some_and(|path| path.contains("tests/")) || file.ends_with("tests.rs");
            assert!(included.exists() || of_tests, "{} includes {}", file.display(), included.display());
        }
    }
    assert!(build.path().join("static/search.html").exists() && build.path().join("migrations").is_dir());
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![(path.clone(), fs::read_to_string(&path).unwrap_or_default())],
        })
        .collect()
}

#[test]
fn image_stages_copy_what_earlier_stages_build() {
    let all = instructions();
    let mut stages = Vec::new();
    for from in instructions_named(&all, "FROM") {
        let words: Vec<&str> = from.rest.split(' ').collect();
        let (image, tag) = words[0].split_once(':').unwrap_or_else(|| panic!("{} has no tag", words[0]));
        let version = tag.split('-').next().expect("a version");
        match image {
            "rust" => assert_eq!(version, concat!(env!("CARGO_PKG_RUST_VERSION"), ".0")),
            "debian" => assert_eq!(version.split('.').count(), 2, "{tag} is not pinned to a point release"),
            other => panic!("unexpected image: {other}"),
        }
        stages.push(words.get(2).copied().unwrap_or_default());
    }
    // The binary runs on the Debian release that built it, so that the libc is the same.
    assert!(
        instructions_named(&all, "FROM")[0].rest.contains("bookworm")
            && instructions_named(&all, "FROM")[1].rest.contains(":12.")
    );
    for copy in instructions_named(&all, "COPY") {
        if let Some(rest) = copy.rest.strip_prefix("--from=") {
            let (stage, rest) = rest.split_once(' ').expect("a stage and paths");
            let source = stages.iter().position(|name| *name == stage).expect("a stage of this name");
            assert!(source < copy.stage, "{stage} is a later stage");
            let path = rest.split(' ').next().expect("a path");
            let made = match path {
                "/models" => {
                    all.iter().any(|one| one.stage == source && one.rest.contains("--models /models encoders pull"))
                }
                "/build/target/release/diptych" => {
                    all.iter().any(|one| one.stage == source && one.rest.starts_with("cargo build --release"))
                        && all.iter().any(|one| one.stage == source && one.name == "WORKDIR" && one.rest == "/build")
                }
                _ => false,
            };
            assert!(made, "no line of {stage} creates {path}");
        }
    }
}

#[test]
fn image_packages_and_tools_exist() {
    let all = instructions();
    let runs: Vec<&str> = instructions_named(&all, "RUN").iter().map(|run| run.rest.as_str()).collect();
    let accounts = tempfile::tempdir().expect("a folder");
    fs::create_dir(accounts.path().join("etc")).expect("a folder");
    let account = |file: &str| accounts.path().join("etc").join(file);
    ["passwd", "group", "shadow", "gshadow"].iter().for_each(|file| fs::write(account(file), "").expect("a file"));
    let mut seen = 0;
    for command in runs.iter().flat_map(|run| run.split(" && ")) {
        seen += 1;
        let words: Vec<&str> = command.split(' ').collect();
        match words[0] {
            "apt-get" if words[1] == "update" => {}
            "apt-get" => {
                assert_eq!(&words[1..4], &["install", "--yes", "--no-install-recommends"]);
                if apt_available() {
                    let policy = succeed(Command::new("apt-cache").arg("policy").args(&words[4..]));
                    let found =
                        policy.lines().filter(|line| line.contains("Candidate:") && !line.contains("(none)")).count();
                    assert_eq!(found, words.len() - 4, "{policy}");
                }
            }
            "rm" => assert_eq!(words[1..], ["-rf", "/var/lib/apt/lists/*"]),
            "cargo" => {}
            "diptych" => {
                // The tests of the encoders check the download itself.
                let folder = tempfile::tempdir().expect("a folder");
                let help = isolated_diptych(folder.path()).args(&words[1..]).arg("--help").output().expect("it starts");
                assert!(help.status.success(), "{}", combined_output(&help));
            }
            "groupadd" | "useradd" => {
                assert!(command.contains(" 10001 ") && command.contains(" diptych"), "{command}");
                if is_root() && tool_available(words[0], &["--help"]) {
                    succeed(Command::new(words[0]).arg("--prefix").arg(accounts.path()).args(&words[1..]));
                }
            }
            "install" => {
                let help = succeed(Command::new("install").arg("--help"));
                for flag in words.iter().filter(|word| word.starts_with("--")) {
                    assert!(help.contains(flag), "install does not have {flag}");
                }
                assert_eq!(words.last(), Some(&"/var/lib/diptych"));
            }
            other => panic!("unexpected command: {other}"),
        }
    }
    assert_eq!(seen, 8, "{runs:?}");
    if is_root() {
        // The ids of USER, under the names that own the folder.
        let made = |file: &str| fs::read_to_string(account(file)).expect("a file");
        assert!(made("passwd").starts_with("diptych:x:10001:10001:"), "{}", made("passwd"));
        assert!(made("group").starts_with("diptych:x:10001:"), "{}", made("group"));
    }
}

fn is_root() -> bool {
    succeed(Command::new("id").arg("-u")).trim() == "0"
}

#[tokio::test]
async fn image_commands_and_health_check_run() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let all = instructions();
    let last = all.last().expect("instructions").stage;
    let one = |name: &str| {
        let found: Vec<&Instruction> =
            instructions_named(&all, name).into_iter().filter(|one| one.stage == last).collect();
        assert_eq!(found.len(), 1, "one {name} is expected");
        found[0].rest.as_str()
    };
    let variables: Vec<(&str, &str)> = instructions_named(&all, "ENV")
        .iter()
        .filter(|one| one.stage == last)
        .map(|one| one.rest.split_once('=').expect("a value"))
        .collect();
    let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).expect("a variable").1;
    assert_eq!(one("ENTRYPOINT"), "[\"diptych\"]");
    assert_eq!(one("STOPSIGNAL"), "SIGTERM");
    assert!(variable("DIPTYCH_DATA").starts_with(one("VOLUME")) && one("WORKDIR") == one("VOLUME"));
    assert!(variable("DIPTYCH_LISTEN").ends_with(&format!(":{}", one("EXPOSE"))));
    let user = one("USER").split(':').next().expect("a user");
    assert!(
        instructions_named(&all, "RUN")
            .iter()
            .any(|run| run.rest.starts_with("useradd") && run.rest.contains(&format!("--uid {user} ")))
    );
    assert_ne!(user, "0");

    // The environment of the image, but with folders of this machine.
    let folder = tempfile::tempdir().expect("a folder");
    let command = |arguments: &[String]| {
        let mut command = isolated_diptych(folder.path());
        command.args(arguments).envs(variables.iter().copied());
        command.env("DIPTYCH_DATA", data.path()).env("DIPTYCH_MODELS", models());
        command
    };
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let check = words(&["config", "check"]);
    let output = command(&check).output().expect("it starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("key create --scope admin"),
        "{}",
        combined_output(&output)
    );
    let before_serving = "key create --scope admin";
    assert!(DOCKERFILE.contains(&format!("diptych {before_serving}\n")));
    succeed(&mut command(&before_serving.split(' ').map(str::to_owned).collect::<Vec<_>>()));
    let output = succeed(&mut command(&check));
    for (name, _) in &variables {
        assert!(output.lines().any(|line| line.ends_with(name)), "{name} is not a setting:\n{output}");
    }

    let mut serving = command(&list(one("CMD")));
    serving.env("DIPTYCH_LISTEN", "127.0.0.1:0");
    let server = Server::spawn(serving, data.path());
    let port = server.base.rsplit(':').next().expect("a port").to_owned();
    let check_text = one("HEALTHCHECK");
    let mut health = list(check_text);
    assert_eq!(health.remove(0), "diptych");
    let ask = |port: &str| {
        let mut asking = command(&health);
        // The address to listen on, as in the image.
        asking.env("DIPTYCH_LISTEN", format!("0.0.0.0:{port}"));
        asking.output().expect("it starts")
    };
    crate::common::wait_for("health", std::time::Duration::from_secs(60), async || {
        ask(&port).status.success().then_some(())
    })
    .await;
    assert!(server.terminate().success());
    assert!(!ask(&port).status.success());
    let timeout: u64 =
        check_text.split("--timeout=").nth(1).and_then(|rest| rest.split('s').next()?.parse().ok()).expect("seconds");
    assert!(timeout > 5, "`diptych health` itself times out after 5 s");
}
