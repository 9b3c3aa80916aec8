//! Whether the clients here see what those of a known tool see.

use std::process::Command;

use crate::{
    Outcome, Wishes,
    load_generator::{Until, drive},
    query_texts::ask,
    report::median,
    server::Server,
};

/// One figure by the clients here and by wrk, in turns.
pub(crate) fn check(wishes: &Wishes, server: &Server) -> Outcome<()> {
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("\nwrk is not installed, so nothing checks these clients; Debian has it: apt-get install wrk.");
        return Ok(());
    }
    let script = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("load-wrk.lua");
    std::fs::write(
        &script,
        "wrk.method = 'POST'\nwrk.body = '{\"query\":\"a bird on a branch\"}'\nwrk.headers['Content-Type'] = 'application/json'\n",
    )?;
    let same = || ask("a bird on a branch");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..wishes.rounds {
        ours.push(drive(server, 8, Until::For(wishes.seconds), &same)?.rate());
        let output = Command::new("wrk")
            .args(["-t1", "-c8", &format!("-d{}s", wishes.seconds.as_secs()), "-s"])
            .arg(&script)
            .arg(format!("http://{}/v1/search/text", server.address))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
        theirs.push(rate.ok_or_else(|| format!("wrk said: {said}"))?);
    }
    let (ours, theirs) = (median(ours.into_iter()), median(theirs.into_iter()));
    println!("\nOne text that was asked before, 8 clients: {ours:.0} answers/s here, {theirs:.0} by wrk.");
    Ok(())
}
