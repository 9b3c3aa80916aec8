-- What was measured of a model before it might answer. Null for models from before.
alter table models add column gate text;                 -- JSON: validation, verdict

-- Which models answered, in order. The last one answers; going back removes it.
create table activations (
    number  integer primary key autoincrement,
    version text    not null references models (version),
    at      integer not null                             -- Unix milliseconds
) strict;
insert into activations (version, at)
    select m.version, m.created_at from models m join facts f on f.value = m.version where f.name = 'active_model';
delete from facts where name = 'active_model';
