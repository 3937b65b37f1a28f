-- The postings of a scope are built in memory from the terms of its passages, when the first question comes to the scope:
-- a search over lists in memory takes a thirtieth of the time of one that reads them from here, and what the lists took
-- in the file, and at every write, is saved.
DROP TRIGGER passage_added;
DROP TRIGGER passage_deleted;
DROP TABLE passage_term;
DROP TABLE passage_posting;
DROP TABLE passage_terms;
ALTER TABLE scope DROP COLUMN passages;
ALTER TABLE scope DROP COLUMN passage_terms;

-- The change log speaks of what caches hold, passages and their vectors, and says in which scope: a cache of one scope
-- reads nothing else. op: 4 vector stored, 5 vector dropped, 6 passage stored, 7 passage dropped, with its vectors. A
-- reader that stood at an entry that is gone begins anew.
DROP TRIGGER memory_changed;
DROP TRIGGER memory_deleted;
DROP TRIGGER vector_dropped;
CREATE TABLE new_change (
    -- Grows by itself: entries are only ever taken from the beginning of the log.
    seq INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,
    passage_id INTEGER NOT NULL,
    scope_id INTEGER NOT NULL,
    model_id INTEGER,
    nonce INTEGER NOT NULL
) STRICT;
-- Numbers go on from where they were, after an entry about nothing, at which readers can stand.
INSERT INTO new_change (seq, op, passage_id, scope_id, nonce)
    SELECT max(seq), 7, 0, 0, random() FROM change HAVING max(seq) > 0;
DROP TABLE change;
ALTER TABLE new_change RENAME TO change;

CREATE TRIGGER memory_changed AFTER UPDATE OF text, caption, speaker ON memory BEGIN
    DELETE FROM passage WHERE memory_id = new.id;
    DELETE FROM memory_words WHERE rowid = new.id;
END;
CREATE TRIGGER memory_deleted AFTER DELETE ON memory BEGIN
    DELETE FROM window WHERE session_id = old.session_id AND memory_id = old.id;
    DELETE FROM memory_words WHERE rowid = old.id;
    DELETE FROM memory_grams WHERE rowid = old.id;
END;
CREATE TRIGGER passage_deleted AFTER DELETE ON passage BEGIN
    INSERT INTO change (op, passage_id, scope_id, nonce) VALUES (7, old.id, old.scope_id, random());
    DELETE FROM vector WHERE id IN (
        SELECT stored.id FROM model JOIN vector AS stored
        ON stored.id BETWEEN (model.id << 51) | (old.id << 8) AND (model.id << 51) | (old.id << 8) | 255
    );
    DELETE FROM token_vector WHERE id IN (
        SELECT stored.id FROM model JOIN token_vector AS stored
        ON stored.id BETWEEN (model.id << 51) | (old.id << 8) AND (model.id << 51) | (old.id << 8) | 255
    );
END;
-- A vector that goes with its passage needs no entry: the passage has one.
CREATE TRIGGER vector_dropped AFTER DELETE ON vector WHEN (old.id & 255) = 0 BEGIN
    INSERT INTO change (op, passage_id, scope_id, model_id, nonce)
        SELECT 5, id, scope_id, old.id >> 51, random() FROM passage WHERE id = (old.id >> 8) & 0x7ffffffffff;
END;

-- What a cache of a scope has come to, as of an entry of the change log: an index that the next process reads instead of
-- building it. It can be deleted at any moment.
CREATE TABLE saved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope_id INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
    -- The model whose vectors it holds; 0 for none.
    model_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    UNIQUE (scope_id, model_id)
) STRICT;
CREATE TABLE saved_part (
    id INTEGER PRIMARY KEY,
    saved_id INTEGER NOT NULL REFERENCES saved (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (saved_id, number)
) STRICT;
