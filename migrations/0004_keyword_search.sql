-- The words of items and of captions, for keyword search (FTS5, BM25). An item's words are those of its captions, its classes and
-- its name. Whoever changes any of these sets the item's updated_at last, and that writes its words anew, once.
create virtual table item_words using fts5(
    captions, labels, name, content = '', contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2'
);
create virtual table caption_words using fts5(
    text, content = '', contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2'
);

-- What an item's words are.
create view words_of_items as
    select i.key as key,
           coalesce((select group_concat(text, ' ') from captions where item = i.key), '') as captions,
           coalesce((select group_concat(l.name, ' ') from item_labels il join labels l on l.key = il.label
                     where il.item = i.key), '') as labels,
           i.id as name
    from items i;

create trigger words_of_item_changed after update of updated_at on items begin
    delete from item_words where rowid = old.key;
    insert into item_words (rowid, captions, labels, name) select key, captions, labels, name from words_of_items where key = new.key;
end;
create trigger words_of_item_went after delete on items begin
    delete from item_words where rowid = old.key;
end;

create trigger words_of_caption_came after insert on captions begin
    insert into caption_words (rowid, text) values (new.key, new.text);
end;
create trigger words_of_caption_changed after update of text on captions begin
    delete from caption_words where rowid = old.key;
    insert into caption_words (rowid, text) values (new.key, new.text);
end;
create trigger words_of_caption_went after delete on captions begin
    delete from caption_words where rowid = old.key;
end;

insert into item_words (rowid, captions, labels, name) select key, captions, labels, name from words_of_items;
insert into caption_words (rowid, text) select key, text from captions;
