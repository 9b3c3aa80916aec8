-- What the owner has: items, each with a picture, captions, or both.
create table items (
    key          integer primary key autoincrement,      -- what the index calls it; never used again
    id           text    not null unique,                -- what its owner calls it
    content_hash blob,                                   -- blake3 of the picture's bytes; null without a picture
    image_path   text,
    image_mime   text,
    width        integer,
    height       integer,
    image_error  text,                                   -- why a picture that was once read can no longer be
    given_split  text check (given_split in ('train', 'validation', 'test')),
    meta         text    not null,                       -- a JSON object
    source       text    not null,                       -- file and line that named it
    record_hash  blob    not null,                       -- of all that the record said: unchanged means skip
    updated_at   integer not null                        -- Unix milliseconds
) strict;
create index items_by_content on items (content_hash);

create table captions (
    key       integer primary key autoincrement,         -- never used again
    item      integer not null references items (key) on delete cascade,
    position  integer not null,
    text      text    not null,
    text_hash blob    not null,                          -- blake3 of the text
    unique (item, position)
) strict;
create index captions_by_text on captions (text_hash);

create table labels (
    key  integer primary key,
    name text    not null unique
) strict;

create table item_labels (
    item  integer not null references items (key) on delete cascade,
    label integer not null references labels (key),
    primary key (item, label)
) strict, without rowid;
create index items_by_label on item_labels (label);

-- What an encoder made of a picture's or a sentence's bytes. Keyed by content, so nothing is encoded twice.
create table features (
    hash    blob not null,
    encoder text not null,
    vector  blob not null,                               -- f16, little-endian
    primary key (encoder, hash)
) strict;

-- What could not be taken, and why.
create table rejections (
    file   text    not null,
    line   integer not null,                             -- 0 where the file is the record
    reason text    not null,
    at     integer not null,
    primary key (file, line)
) strict;

create table models (
    version         text    primary key,
    created_at      integer not null,
    image_encoder   text    not null,
    text_encoder    text    not null,
    settings        text    not null,                    -- JSON
    report          text    not null,                    -- JSON: how good it is, on test
    seconds         real    not null
) strict;

create table tasks (
    id          integer primary key autoincrement,
    type        text    not null,
    status      text    not null
        check (status in ('enqueued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    created_at  integer not null,
    started_at  integer,
    finished_at integer,
    steps       text    not null default '[]',           -- JSON: name, done, total, unit
    result      text,
    error       text
) strict;

-- Small facts of which there is one each: the active model, stages that are done.
create table facts (
    name  text primary key,
    value text not null
) strict;
