-- What a close look at a model doubts: labels and captions that may be wrong, until the item is changed or somebody says that
-- it is right as it is.
create table review (
    key        integer primary key autoincrement,        -- never used again
    item       integer not null references items (key) on delete cascade,
    kind       text    not null check (kind in ('label', 'caption')),
    about      text    not null,                         -- the labels, a JSON array; or the caption
    suggested  text,                                     -- a label
    weight     real    not null,                         -- lead of the suggested label; or distance of picture and caption
    looked_at  integer not null,                         -- Unix milliseconds: of the look that found it last
    settled_at integer,                                  -- Unix milliseconds: when somebody said that it is right
    unique (item, kind, about)
) strict;

-- What was said of one picture says nothing of another.
create trigger review_of_another_picture after update of content_hash on items
when old.content_hash is not new.content_hash
begin
    delete from review where item = new.key;
end;

-- What the record said that an import took last, if the item was changed since: a record that still says the same does not undo that.
alter table items add column imported_hash blob;
