-- Which points of the common space came, changed or went, in the order in which they did. An index knows how far in this
-- order it has come, and what it missed is read from here. Triggers write it, so that no writer can forget to.
create table changes (
    number integer primary key autoincrement,
    kind   text    not null check (kind in ('picture', 'caption')),
    key    integer not null
) strict;

create trigger picture_came after insert on items when new.content_hash is not null begin
    insert into changes (kind, key) values ('picture', new.key);
end;
create trigger picture_changed after update of content_hash on items when old.content_hash is not new.content_hash begin
    insert into changes (kind, key) values ('picture', new.key);
end;
create trigger picture_went after delete on items when old.content_hash is not null begin
    insert into changes (kind, key) values ('picture', old.key);
end;

create trigger caption_came after insert on captions begin
    insert into changes (kind, key) values ('caption', new.key);
end;
create trigger caption_changed after update of text_hash on captions when old.text_hash is not new.text_hash begin
    insert into changes (kind, key) values ('caption', new.key);
end;
create trigger caption_went after delete on captions begin
    insert into changes (kind, key) values ('caption', old.key);
end;

-- A picture or a sentence has no point before it has features.
create trigger features_came after insert on features begin
    insert into changes (kind, key) select 'picture', key from items where content_hash = new.hash;
    insert into changes (kind, key) select 'caption', key from captions where text_hash = new.hash;
end;

-- Names this collection, so that an index of another one is not taken for its own.
insert into facts (name, value) values ('collection', lower(hex(randomblob(16))));
