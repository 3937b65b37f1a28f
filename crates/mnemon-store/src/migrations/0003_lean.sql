-- A durable turn costs about a page of the log for each tree that it touches, and 5 µs a page. So a turn touches fewer.

-- They name tables that are made anew; what they become stands at the end.
DROP TRIGGER memory_added;
DROP TRIGGER memory_changed;
DROP TRIGGER memory_deleted;

-- One tree for the turns of a window, in the order in which a session is read. A turn leaves it with its memory by
-- trigger: its session is known there, and a reference would need a second tree.
CREATE TABLE new_window (
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    memory_id INTEGER NOT NULL,
    last_access INTEGER NOT NULL,
    PRIMARY KEY (session_id, memory_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_window (session_id, memory_id, last_access)
    SELECT session_id, memory_id, last_access FROM window ORDER BY session_id, memory_id;
DROP TABLE window;
ALTER TABLE new_window RENAME TO window;

-- Vectors lie in one tree, without an index. The key says of what they are: `(model << 51) | (passage << 8) | part`. All
-- vectors of a model lie together in the order of the passages, and one is found by one descent. A vector is stored in
-- parts of at most 768 bytes, whole numbers of four: five of these fill a page of 4,096, of which rows of 1,536 leave a
-- quarter empty.
CREATE TABLE new_vector (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
WITH RECURSIVE part (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM part WHERE n < 255),
sized AS (
    SELECT model_id, passage_id, data, (length(data) + 4 * parts - 1) / (4 * parts) * 4 AS size, parts
    FROM (SELECT *, min(256, max(1, (length(data) + 767) / 768)) AS parts FROM vector)
)
INSERT INTO new_vector (id, data)
    SELECT (model_id << 51) | (passage_id << 8) | n, substr(data, 1 + n * size, size)
    FROM model CROSS JOIN sized ON model_id = model.id CROSS JOIN part ON n < parts
    ORDER BY model.id, passage_id;
DROP TABLE vector;
ALTER TABLE new_vector RENAME TO vector;

-- The same for the vectors of pieces.
CREATE TABLE new_token_vector (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
WITH RECURSIVE part (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM part WHERE n < 255),
sized AS (
    SELECT model_id, passage_id, data, (length(data) + 4 * parts - 1) / (4 * parts) * 4 AS size, parts
    FROM (SELECT *, min(256, max(1, (length(data) + 767) / 768)) AS parts FROM token_vector)
)
INSERT INTO new_token_vector (id, data)
    SELECT (model_id << 51) | (passage_id << 8) | n, substr(data, 1 + n * size, size)
    FROM model CROSS JOIN sized ON model_id = model.id CROSS JOIN part ON n < parts
    ORDER BY model.id, passage_id;
DROP TABLE token_vector;
ALTER TABLE new_token_vector RENAME TO token_vector;

-- The head of the change log is its last entry; it needs no row of its own. What is added is logged by the store in a
-- statement of its own, because a trigger on a statement costs five times as much; what is changed and dropped, by
-- triggers, because rows go with others.
DROP TRIGGER change_head;
DROP TABLE head;
CREATE TABLE new_change (
    -- Grows by itself: entries are only ever taken from the beginning of the log.
    seq INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,
    row_id INTEGER NOT NULL,
    model_id INTEGER,
    nonce INTEGER NOT NULL
) STRICT;
INSERT INTO new_change (seq, op, row_id, model_id, nonce)
    SELECT seq, op, row_id, model_id, nonce FROM change ORDER BY seq;
DROP TABLE change;
ALTER TABLE new_change RENAME TO change;

-- A passage is found by its memory alone: the turn at a place in a session is found by the memory first, which has an
-- index for that. `run` and `place` stay, for who reads a passage.
CREATE TABLE new_passage (
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
    -- Hash of what is embedded of it, different for each scope: by it the vector of an equal text is found. NULL in what an
    -- older version wrote.
    content INTEGER,
    -- Hashes of the terms it is known by, u32 little-endian, in the order of the text, repeats kept.
    terms BLOB NOT NULL CHECK (length(terms) % 4 = 0),
    UNIQUE (memory_id, ordinal)
) STRICT;
INSERT INTO new_passage (id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis, terms)
    SELECT id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, analysis, terms
    FROM passage ORDER BY id;
-- Ids are never used again, those of passages that are gone neither.
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'new_passage', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'new_passage');
UPDATE sqlite_sequence SET seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'passage'), 0)
    WHERE name = 'new_passage';
DROP TABLE passage;
ALTER TABLE new_passage RENAME TO passage;
CREATE INDEX passage_content ON passage (content);

CREATE TRIGGER passage_added AFTER INSERT ON passage BEGIN
    UPDATE scope SET passages = passages + 1, passage_terms = passage_terms + length(new.terms) / 4
        WHERE id = new.scope_id;
END;
CREATE TRIGGER passage_deleted AFTER DELETE ON passage BEGIN
    UPDATE scope SET passages = passages - 1, passage_terms = passage_terms - length(old.terms) / 4
        WHERE id = old.scope_id;
    DELETE FROM passage_terms WHERE rowid = (old.id << 10) | min(1023, length(old.terms) / 4);
    DELETE FROM vector WHERE id IN (
        SELECT stored.id FROM model JOIN vector AS stored
        ON stored.id BETWEEN (model.id << 51) | (old.id << 8) AND (model.id << 51) | (old.id << 8) | 255
    );
    DELETE FROM token_vector WHERE id IN (
        SELECT stored.id FROM model JOIN token_vector AS stored
        ON stored.id BETWEEN (model.id << 51) | (old.id << 8) AND (model.id << 51) | (old.id << 8) | 255
    );
END;

CREATE TRIGGER vector_dropped AFTER DELETE ON vector WHEN (old.id & 255) = 0 BEGIN
    INSERT INTO change (op, row_id, model_id, nonce)
        VALUES (5, (old.id >> 8) & 0x7ffffffffff, old.id >> 51, random());
END;

-- A turn is known by the terms of its head, and anything else by all of its terms. So only the turns that are longer
-- need an index of whole texts. It is written with the passage of a turn, which knows whether it is.
DROP TABLE memory_words;
CREATE VIRTUAL TABLE memory_words USING fts5 (
    text, caption, speaker,
    content = '', contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO memory_words (rowid, text, caption, speaker)
    SELECT id, text, caption, speaker FROM memory
    WHERE kind = 1 AND EXISTS (SELECT 1 FROM passage WHERE memory_id = memory.id AND length(terms) >= 4 * 60);

CREATE TRIGGER memory_changed AFTER UPDATE OF text, caption, speaker ON memory BEGIN
    INSERT INTO change (op, row_id, nonce) VALUES (2, new.id, random());
    DELETE FROM passage WHERE memory_id = new.id;
    DELETE FROM memory_words WHERE rowid = new.id;
END;
CREATE TRIGGER memory_deleted AFTER DELETE ON memory BEGIN
    DELETE FROM window WHERE session_id = old.session_id AND memory_id = old.id;
    DELETE FROM memory_words WHERE rowid = old.id;
    DELETE FROM memory_grams WHERE rowid = old.id;
    INSERT INTO change (op, row_id, nonce) VALUES (3, old.id, random());
END;
