-- What a task measured while it was at work, in order.
create table task_metrics (
    task   integer not null references tasks (id) on delete cascade,
    number integer not null,                             -- from 1
    metric text    not null,                             -- JSON
    primary key (task, number)
) strict, without rowid;
create index tasks_by_status on tasks (status);
