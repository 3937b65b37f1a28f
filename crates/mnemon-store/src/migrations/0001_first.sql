-- One file is one database of memories. Every table is STRICT; ids are never used again (AUTOINCREMENT), because
-- caches outside of the database name rows by them.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid BLOB NOT NULL CHECK (length(uuid) = 16),
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO meta (id, uuid, created_at) VALUES (1, randomblob(16), CAST(unixepoch('subsec') * 1000 AS INTEGER));

-- Whose memory it is. A part that is not given is '' and equals only ''.
CREATE TABLE scope (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    agent TEXT NOT NULL,
    project TEXT NOT NULL,
    UNIQUE (user, agent, project)
) STRICT;

CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    scope_id INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
    name TEXT,
    started_at INTEGER NOT NULL,
    -- An imported session is history: nobody goes on with it unless asked to by name.
    imported INTEGER NOT NULL CHECK (imported IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX session_name ON session (scope_id, name) WHERE name IS NOT NULL;
CREATE INDEX session_scope ON session (scope_id, id);

-- Where a memory came from: an imported file, another engine.
CREATE TABLE source (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE memory (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    scope_id INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    session_id INTEGER REFERENCES session (id) ON DELETE CASCADE,
    position INTEGER,
    role INTEGER,
    pinned INTEGER NOT NULL CHECK (pinned IN (0, 1)),
    occurred_at INTEGER,
    stored_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    priority REAL NOT NULL,
    source_id INTEGER REFERENCES source (id),
    external_id TEXT,
    -- FNV-1a of the text and caption as they came from there: two files may give one name to two things.
    origin_hash INTEGER,
    speaker TEXT,
    metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    caption TEXT,
    text TEXT NOT NULL,
    -- A turn has a session, a place in it and a role; nothing else has.
    CHECK ((kind = 1) = (session_id IS NOT NULL)),
    CHECK ((kind = 1) = (position IS NOT NULL)),
    CHECK ((kind = 1) = (role IS NOT NULL)),
    CHECK ((source_id IS NULL) = (external_id IS NULL)),
    CHECK ((source_id IS NULL) = (origin_hash IS NULL))
) STRICT;
CREATE INDEX memory_scope ON memory (scope_id, id);
CREATE UNIQUE INDEX memory_position ON memory (session_id, position) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX memory_origin ON memory (scope_id, source_id, external_id, origin_hash)
    WHERE source_id IS NOT NULL;
CREATE INDEX memory_pinned ON memory (scope_id, id) WHERE pinned = 1;

-- The turns that are active in the window of their session. A turn that has no row here is active in long-term memory.
CREATE TABLE window (
    memory_id INTEGER PRIMARY KEY REFERENCES memory (id) ON DELETE CASCADE,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    last_access INTEGER NOT NULL
) STRICT;
CREATE INDEX window_session ON window (session_id, memory_id);

CREATE TABLE model (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    revision TEXT NOT NULL,
    dtype TEXT NOT NULL,
    dimension INTEGER NOT NULL CHECK (dimension > 0),
    UNIQUE (name, revision, dtype, dimension)
) STRICT;

-- Unit vectors, f32 little-endian. Vectors of two models are never compared.
CREATE TABLE vector (
    memory_id INTEGER NOT NULL REFERENCES memory (id) ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    data BLOB NOT NULL CHECK (length(data) % 4 = 0),
    PRIMARY KEY (memory_id, model_id)
) STRICT;
CREATE INDEX vector_model ON vector (model_id);

-- The change log, by which caches of every process follow the rows, and its head. `nonce` tells a log that went on
-- from one that was rolled back (a restored backup) and grew again to the same number.
-- op: 1 memory added, 2 memory changed, 3 memory deleted, 4 vector stored, 5 vector dropped.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    op INTEGER NOT NULL,
    memory_id INTEGER NOT NULL,
    model_id INTEGER,
    nonce INTEGER NOT NULL
) STRICT;
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    nonce INTEGER NOT NULL
) STRICT;
INSERT INTO head (id, seq, nonce) VALUES (1, 0, 0);
CREATE TRIGGER change_head AFTER INSERT ON change BEGIN
    UPDATE head SET seq = new.seq, nonce = new.nonce WHERE id = 1;
END;
CREATE TRIGGER vector_stored AFTER INSERT ON vector BEGIN
    INSERT INTO change (op, memory_id, model_id, nonce) VALUES (4, new.memory_id, new.model_id, random());
END;
CREATE TRIGGER vector_dropped AFTER DELETE ON vector BEGIN
    INSERT INTO change (op, memory_id, model_id, nonce) VALUES (5, old.memory_id, old.model_id, random());
END;

-- Words of segmented scripts, stemmed. The texts themselves stay in `memory`.
CREATE VIRTUAL TABLE memory_words USING fts5 (
    text, caption, speaker,
    content = 'memory', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
-- Pairs of neighbouring characters of unsegmented scripts (Chinese, Japanese, Korean, Thai, …), so that words of two
-- characters are found. Written by the store, for rows that have such text; the marks belong to the letters.
CREATE VIRTUAL TABLE memory_grams USING fts5 (
    grams,
    content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'"
);

CREATE TRIGGER memory_added AFTER INSERT ON memory BEGIN
    INSERT INTO memory_words (rowid, text, caption, speaker) VALUES (new.id, new.text, new.caption, new.speaker);
    INSERT INTO change (op, memory_id, nonce) VALUES (1, new.id, random());
END;
CREATE TRIGGER memory_changed AFTER UPDATE OF text, caption, speaker ON memory BEGIN
    INSERT INTO memory_words (memory_words, rowid, text, caption, speaker)
        VALUES ('delete', old.id, old.text, old.caption, old.speaker);
    INSERT INTO memory_words (rowid, text, caption, speaker) VALUES (new.id, new.text, new.caption, new.speaker);
    INSERT INTO change (op, memory_id, nonce) VALUES (2, new.id, random());
END;
CREATE TRIGGER memory_deleted AFTER DELETE ON memory BEGIN
    INSERT INTO memory_words (memory_words, rowid, text, caption, speaker)
        VALUES ('delete', old.id, old.text, old.caption, old.speaker);
    DELETE FROM memory_grams WHERE rowid = old.id;
    INSERT INTO change (op, memory_id, nonce) VALUES (3, old.id, random());
END;
