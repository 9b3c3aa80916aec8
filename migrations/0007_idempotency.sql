-- Requests that carried an Idempotency-Key, with their answers: a client that did not hear one asks again and gets the same.
create table idempotency (
    caller     text    not null,                         -- id of the API key; empty where none was shown
    key        text    not null,
    request    blob    not null,                         -- blake3 of method, address and body
    run        text    not null,                         -- of the service that began it
    started_at integer not null,
    status     integer,                                  -- null while it is at work
    headers    text,                                     -- JSON: an object
    body       blob,
    primary key (caller, key)
) strict;
create index idempotency_by_age on idempotency (started_at);
