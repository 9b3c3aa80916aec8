-- What a close look at a model doubts: labels and captions that may be wrong, until the item is changed or somebody says that
-- it is right as it is.
create table review (
    key        integer primary key autoincrement,        -- never used again
    item       integer not null references items (key) on delete cascade,
    kind       text    not null check (kind in ('label', 'caption')),
    about      text    not null,                         -- the labels, a JSON array; or the caption
    suggested  text,                                     -- a label
    weight     real    not null,                         -- lead of the suggested label; or distance of picture and caption
    settled_at integer,                                  -- Unix milliseconds: when somebody said that it is right
    unique (item, kind, about)
) strict;
