//! Which kinds of tasks are there?

pub(in crate::engine) mod activate;
pub(in crate::engine) mod backup;
pub(in crate::engine) mod bulk_ingest;
pub(in crate::engine) mod compact;
pub(in crate::engine) mod evaluate;
pub(in crate::engine) mod import;
pub(in crate::engine) mod reindex;
pub(in crate::engine) mod self_test;
pub(in crate::engine) mod train;

use super::kind::TaskKind;

const ALL: [TaskKind; 9] = [
    activate::KIND,
    backup::KIND,
    bulk_ingest::KIND,
    compact::KIND,
    evaluate::KIND,
    import::KIND,
    reindex::KIND,
    self_test::KIND,
    train::KIND,
];

/// The number of steps that a task of this kind reports, or 1 if the kind is unknown.
pub fn planned_steps(kind: &str) -> usize {
    ALL.iter().find(|one| one.name == kind).map_or(1, |kind| kind.steps)
}
