//! Cross-check of the load generator against `wrk`.

use std::process::Command;

use crate::{
    load_generator::{Until, run_clients},
    options::{BenchResult, Options},
    query_texts::text_search,
    server::Server,
    stats::median,
};

/// Measures one rate with the load generator and with `wrk`, alternately.
pub(crate) fn run(options: &Options, server: &Server) -> BenchResult<()> {
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("\nwrk is not installed, so there is no cross-check; on Debian: apt-get install wrk.");
        return Ok(());
    }
    let script = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("load-wrk.lua");
    std::fs::write(
        &script,
        "wrk.method = 'POST'\nwrk.body = '{\"query\":\"a bird on a branch\"}'\n\
         wrk.headers['Content-Type'] = 'application/json'\n",
    )?;
    let same = || text_search("a bird on a branch");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        ours.push(run_clients(server, 8, Until::For(options.seconds), &same)?.rate());
        let output = Command::new("wrk")
            .args(["-t1", "-c8", &format!("-d{}s", options.seconds.as_secs()), "-s"])
            .arg(&script)
            .arg(format!("http://{}/v1/search/text", server.address))
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = printed.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
        theirs.push(rate.ok_or_else(|| format!("no rate in the output of wrk: {printed}"))?);
    }
    let (ours, theirs) = (median(ours.into_iter()), median(theirs.into_iter()));
    println!("\nOne cached text, 8 clients: {ours:.0} responses/s here, {theirs:.0} by wrk.");
    Ok(())
}
