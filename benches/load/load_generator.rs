//! Clients that ask as fast as they are answered, and what they saw.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use serde_json::Value;

use crate::{Outcome, server::Server};

/// How long clients ask before it counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What some clients saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// Seconds of each request that was answered with success.
    pub(crate) seconds: Vec<f64>,
    /// Milliseconds that the service says of each: queue, encode, search, hydrate. None where an answer has no such times.
    pub(crate) stages: Vec<[f64; 4]>,
    /// Others, by status.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// Seconds in which all that was.
    pub(crate) took: f64,
    /// Seconds of CPU that the service took meanwhile, warm-up aside.
    pub(crate) service_cpu: f64,
    /// And this process.
    pub(crate) own_cpu: f64,
}

impl Seen {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.seconds.len() as f64 / self.took
    }

    /// Milliseconds of CPU that an answer takes the service.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.service_cpu * 1e3 / self.seconds.len() as f64
    }

    /// Milliseconds within which this part of all was answered.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        quantile(self.seconds.clone(), part) * 1e3
    }
}

pub(crate) fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// How long it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    For(Duration),
    /// Until so many were asked, without a warm-up.
    Asked(usize),
}

/// Lets so many clients ask, each on a connection of its own. `next` makes the next request, whoever asks it.
pub(crate) fn drive(
    server: &Server,
    clients: usize,
    until: Until,
    next: &(dyn Fn() -> Vec<u8> + Sync),
) -> Outcome<Seen> {
    let warm_up = if matches!(until, Until::For(_)) { WARM_UP } else { Duration::ZERO };
    let begin = Instant::now() + warm_up;
    let left = Mutex::new(match until {
        Until::For(_) => usize::MAX,
        Until::Asked(count) => count,
    });
    let end = match until {
        Until::For(time) => Some(begin + time),
        Until::Asked(_) => None,
    };
    let client = || -> Outcome<Seen> {
        let mut connection = server.connect()?;
        let mut seen = Seen::default();
        loop {
            {
                let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                if *left == 0 {
                    return Ok(seen);
                }
                *left -= 1;
            }
            let request = next();
            let asked = Instant::now();
            if end.is_some_and(|end| asked >= end) {
                return Ok(seen);
            }
            let (status, body) = connection.send(&request)?;
            let took = asked.elapsed();
            let stages = stages(body);
            if asked < begin {
                continue;
            }
            match status {
                200..300 => {
                    seen.seconds.push(took.as_secs_f64());
                    seen.stages.extend(stages);
                }
                status => {
                    *seen.refused.entry(status).or_default() += 1;
                    // What a client does that is told to come again.
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    };
    let mut whole = Seen::default();
    let all = thread::scope(|scope| -> Outcome<Vec<Seen>> {
        let client = || client().map_err(|error| error.to_string());
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        let (own, service) = (ProcessTime::now(), server.cpu_seconds()?);
        let seen: Outcome<Vec<Seen>> =
            threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a client panicked")??)).collect();
        whole.took = begin.elapsed().as_secs_f64();
        (whole.own_cpu, whole.service_cpu) = (own.elapsed().as_secs_f64(), server.cpu_seconds()? - service);
        seen
    })?;
    for seen in all {
        whole.seconds.extend(seen.seconds);
        whole.stages.extend(seen.stages);
        for (status, count) in seen.refused {
            *whole.refused.entry(status).or_default() += count;
        }
    }
    Ok(whole)
}

/// What an answer says of its time. The rest of it is not read, for reading all results would cost more than sending them.
fn stages(body: &[u8]) -> Option<[f64; 4]> {
    const NAME: &[u8] = b"\"took_ms\":";
    let at = body.windows(NAME.len()).rposition(|window| window == NAME)? + NAME.len();
    let end = at + body[at..].iter().position(|byte| *byte == b'}')?;
    let took: Value = serde_json::from_slice(&body[at..=end]).ok()?;
    let of = |name: &str| took[name].as_f64().unwrap_or(0.0);
    Some([of("queue"), of("encode"), of("search"), of("hydrate")])
}
