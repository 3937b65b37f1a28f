-- What is searched is a passage: a stretch of a memory's text. A turn is one, a long document is several. The engine
-- makes them from the text (`analysis` is the version of it that did) and makes them again whenever they are missing.

-- The version of the analysis of which every memory has its passages; 0 when some may have none. Who writes a memory writes
-- its passages, so it stays true.
ALTER TABLE meta ADD COLUMN analysis INTEGER NOT NULL DEFAULT 0;

-- How many passages a scope has, and how many terms they have together: both are part of every score of BM25, so they are
-- kept here by triggers instead of being counted.
ALTER TABLE scope ADD COLUMN passages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scope ADD COLUMN passage_terms INTEGER NOT NULL DEFAULT 0;

CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_id INTEGER NOT NULL REFERENCES memory (id) ON DELETE CASCADE,
    -- The scope of the memory, which never changes. Without a reference of its own: a scope goes after its memories.
    scope_id INTEGER NOT NULL,
    -- Place among the passages of the memory, from 0.
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    -- Where in the text of the memory, in bytes.
    start_byte INTEGER NOT NULL CHECK (start_byte >= 0),
    end_byte INTEGER NOT NULL CHECK (end_byte >= start_byte),
    -- A run is a sequence in which neighbours mean something: the turns of a session (2 * session, place = position) or
    -- the passages of a memory that is not a turn (2 * memory + 1, place = ordinal).
    run INTEGER NOT NULL,
    place INTEGER NOT NULL,
    -- Words of the text; of the caption too, for the first passage of a memory.
    words INTEGER NOT NULL CHECK (words >= 0),
    -- Flags of the analysis, opaque to the store.
    cues INTEGER NOT NULL,
    analysis INTEGER NOT NULL,
    -- Hashes of the terms it is known by, u32 little-endian, in the order of the text, repeats kept.
    terms BLOB NOT NULL CHECK (length(terms) % 4 = 0),
    UNIQUE (memory_id, ordinal),
    UNIQUE (run, place)
) STRICT;

-- The terms of passages as words `<scope in hex>z<hash in hex>`. Every list of postings belongs to one scope: a search
-- never walks, and never counts, what belongs to another one. No word of a text stands here in clear.
--
-- The row of a passage is `(id << 10) | min(1023, number of its terms)`: BM25 needs the length of every passage that it
-- meets, and to look each of them up takes four times as long as to read the postings.
CREATE VIRTUAL TABLE passage_terms USING fts5 (
    terms,
    content = '', contentless_delete = 1,
    tokenize = 'ascii'
);
-- Two ways to read the postings of a term: every place where it stands, and in how many passages.
CREATE VIRTUAL TABLE passage_posting USING fts5vocab (passage_terms, instance);
CREATE VIRTUAL TABLE passage_term USING fts5vocab (passage_terms, row);

CREATE TRIGGER passage_added AFTER INSERT ON passage BEGIN
    UPDATE scope SET passages = passages + 1, passage_terms = passage_terms + length(new.terms) / 4
        WHERE id = new.scope_id;
END;
CREATE TRIGGER passage_deleted AFTER DELETE ON passage BEGIN
    UPDATE scope SET passages = passages - 1, passage_terms = passage_terms - length(old.terms) / 4
        WHERE id = old.scope_id;
    DELETE FROM passage_terms WHERE rowid = (old.id << 10) | min(1023, length(old.terms) / 4);
END;

-- Vectors belong to passages now. Those of memories are dropped: they stood for other texts than a passage's. Until the
-- engine has made the passages and embedded them, memories are found by their words.
DROP TABLE vector;
CREATE TABLE vector (
    passage_id INTEGER NOT NULL REFERENCES passage (id) ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    data BLOB NOT NULL CHECK (length(data) % 4 = 0),
    PRIMARY KEY (passage_id, model_id)
) STRICT;
CREATE INDEX vector_model ON vector (model_id);

-- Vectors of the pieces of a passage, in the engine's own code. They are read for candidates only and never cached, so
-- the change log does not speak of them.
CREATE TABLE token_vector (
    passage_id INTEGER NOT NULL REFERENCES passage (id) ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    data BLOB NOT NULL,
    PRIMARY KEY (passage_id, model_id)
) STRICT;
CREATE INDEX token_vector_model ON token_vector (model_id);

-- op: 1 memory added, 2 memory changed, 3 memory deleted: `row_id` is the memory; 4 vector stored, 5 vector dropped: it
-- is the passage. What was logged of the vectors of memories means nothing any more; a reader that stood at one of
-- those entries begins anew.
DELETE FROM change WHERE op IN (4, 5);
ALTER TABLE change RENAME COLUMN memory_id TO row_id;
CREATE TRIGGER vector_stored AFTER INSERT ON vector BEGIN
    INSERT INTO change (op, row_id, model_id, nonce) VALUES (4, new.passage_id, new.model_id, random());
END;
CREATE TRIGGER vector_dropped AFTER DELETE ON vector BEGIN
    INSERT INTO change (op, row_id, model_id, nonce) VALUES (5, old.passage_id, old.model_id, random());
END;

-- The passages of another text go with their index and their vectors.
DROP TRIGGER memory_changed;
CREATE TRIGGER memory_changed AFTER UPDATE OF text, caption, speaker ON memory BEGIN
    INSERT INTO memory_words (memory_words, rowid, text, caption, speaker)
        VALUES ('delete', old.id, old.text, old.caption, old.speaker);
    INSERT INTO memory_words (rowid, text, caption, speaker) VALUES (new.id, new.text, new.caption, new.speaker);
    INSERT INTO change (op, row_id, nonce) VALUES (2, new.id, random());
    DELETE FROM passage WHERE memory_id = new.id;
END;

-- Who speaks in a scope, by one seek a speaker; and what happened when.
CREATE INDEX memory_speaker ON memory (scope_id, speaker) WHERE speaker IS NOT NULL;
CREATE INDEX memory_time ON memory (scope_id, coalesce(occurred_at, stored_at));
