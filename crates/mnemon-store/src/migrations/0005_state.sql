-- What is read is checked: vectors end with a seal, memories have a checksum. This file makes room; the program computes both
-- for what is there, and turns vectors into 16 bits a value (see migrate.rs).

-- CRC-32 of the text and of all that never changes without it; see memories.rs for what is in it.
ALTER TABLE memory ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;

-- What is known of a memory beside what it says, where that is not what everybody starts with: most memories have no row.
CREATE TABLE memory_state (
    memory_id INTEGER PRIMARY KEY REFERENCES memory (id) ON DELETE CASCADE,
    -- How far it may be believed: 1 to 4, see `Trust`. NULL: as its kind, role and source say.
    trust INTEGER,
    -- From 0 (of no importance) to 1; NULL: 0.5.
    importance REAL CHECK (importance BETWEEN 0 AND 1),
    -- How often it was shown, and when last.
    uses INTEGER NOT NULL DEFAULT 0,
    last_used INTEGER,
    -- From then on it is as good as deleted.
    expires_at INTEGER,
    -- From then on it does not hold any more, and why: 1 superseded, 2 merged, by the memory `ended_by`; 3 forgotten.
    ended_at INTEGER,
    ended_why INTEGER,
    ended_by INTEGER,
    -- What a fact says something about: of one subject and slot one fact holds at a time.
    subject TEXT,
    slot TEXT,
    CHECK ((ended_at IS NULL) = (ended_why IS NULL)),
    CHECK ((subject IS NULL) = (slot IS NULL))
) STRICT;
CREATE INDEX memory_slot ON memory_state (subject, slot) WHERE slot IS NOT NULL;
CREATE INDEX memory_expiry ON memory_state (expires_at) WHERE expires_at IS NOT NULL;

-- op: 8 passage changed: what is known of its memory is another now.
CREATE TRIGGER state_added AFTER INSERT ON memory_state
    WHEN new.trust IS NOT NULL OR new.expires_at IS NOT NULL OR new.ended_at IS NOT NULL
BEGIN
    INSERT INTO change (op, passage_id, scope_id, nonce)
        SELECT 8, id, scope_id, random() FROM passage WHERE memory_id = new.memory_id;
END;
CREATE TRIGGER state_changed AFTER UPDATE OF trust, expires_at, ended_at ON memory_state
    WHEN new.trust IS NOT old.trust OR new.expires_at IS NOT old.expires_at OR new.ended_at IS NOT old.ended_at
BEGIN
    INSERT INTO change (op, passage_id, scope_id, nonce)
        SELECT 8, id, scope_id, random() FROM passage WHERE memory_id = new.memory_id;
END;

-- Bytes that were deleted and may still lie in the log or in free pages, since when: NULL when none do.
ALTER TABLE meta ADD COLUMN scrub_pending INTEGER;

-- What was erased, without a word of it: the proof that is left.
CREATE TABLE erasure (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    requested_at INTEGER NOT NULL,
    -- When nothing of it was left in the file.
    finished_at INTEGER,
    memories INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    -- SHA-256 of the ids of the memories, ascending.
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
