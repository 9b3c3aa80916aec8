-- Who may use the service. A key's secret is not here, only its SHA-256; and a revoked key stays, so that a service that had keys
-- never becomes open by losing them.
create table api_keys (
    id           text    primary key,
    name         text    not null,
    scopes       text    not null,                       -- JSON: a list of search, ingest, admin
    hash         blob    not null,
    created_at   integer not null,                       -- Unix milliseconds, as all times here
    expires_at   integer,
    revoked_at   integer,
    last_used_at integer
) strict;
