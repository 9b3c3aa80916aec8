//! Clients that send their next request as soon as they have the response to the last one.

use std::{
    thread,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use parking_lot::Mutex;
use serde_json::Value;

use crate::{options::BenchResult, server::Server, stats::LoadStats};

/// Time before a round during which requests are sent but not measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// Pause of a client after a rejected request.
const BACKOFF: Duration = Duration::from_millis(20);

/// Length of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    For(Duration),
    /// Number of requests, without a warm-up.
    Requests(usize),
}

/// Runs `clients` clients, each on a connection of its own. `next` creates the next request of any of them.
pub(crate) fn run_clients(
    server: &Server,
    clients: usize,
    until: Until,
    next: &(dyn Fn() -> Vec<u8> + Sync),
) -> BenchResult<LoadStats> {
    let warm_up = if matches!(until, Until::For(_)) { WARM_UP } else { Duration::ZERO };
    let begin = Instant::now() + warm_up;
    let left = Mutex::new(match until {
        Until::For(_) => usize::MAX,
        Until::Requests(count) => count,
    });
    let end = match until {
        Until::For(time) => Some(begin + time),
        Until::Requests(_) => None,
    };
    let client = || -> BenchResult<LoadStats> {
        let mut connection = server.connect()?;
        let mut stats = LoadStats::default();
        loop {
            {
                let mut left = left.lock();
                if *left == 0 {
                    return Ok(stats);
                }
                *left -= 1;
            }
            let request = next();
            let sent = Instant::now();
            if end.is_some_and(|end| sent >= end) {
                return Ok(stats);
            }
            let (status, body) = connection.send(&request)?;
            let took = sent.elapsed();
            let stages = stages(body);
            if sent < begin {
                continue;
            }
            match status {
                200..300 => {
                    stats.seconds.push(took.as_secs_f64());
                    stats.stages.extend(stages);
                }
                status => {
                    *stats.rejected.entry(status).or_default() += 1;
                    thread::sleep(BACKOFF);
                }
            }
        }
    };
    let mut total = LoadStats::default();
    let all = thread::scope(|scope| -> BenchResult<Vec<LoadStats>> {
        let client = || client().map_err(|error| error.to_string());
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        let (own, service) = (ProcessTime::now(), server.cpu_seconds()?);
        let stats: BenchResult<Vec<LoadStats>> =
            threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a client panicked")??)).collect();
        total.took = begin.elapsed().as_secs_f64();
        (total.own_cpu, total.service_cpu) = (own.elapsed().as_secs_f64(), server.cpu_seconds()? - service);
        stats
    })?;
    for stats in all {
        total.seconds.extend(stats.seconds);
        total.stages.extend(stats.stages);
        for (status, count) in stats.rejected {
            *total.rejected.entry(status).or_default() += count;
        }
    }
    Ok(total)
}

/// Times in a response. The rest of it is not parsed, because parsing all results would cost more than sending them.
fn stages(body: &[u8]) -> Option<[f64; 4]> {
    const NAME: &[u8] = b"\"took_ms\":";
    let at = body.windows(NAME.len()).rposition(|window| window == NAME)? + NAME.len();
    let end = at + body[at..].iter().position(|byte| *byte == b'}')?;
    let took: Value = serde_json::from_slice(&body[at..=end]).ok()?;
    let of = |name: &str| took[name].as_f64().unwrap_or(0.0);
    Some([of("queue"), of("encode"), of("search"), of("hydrate")])
}
