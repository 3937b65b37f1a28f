-- Summaries that the engine made of what left the window of a session. A memory that has a row here says nothing but what those
-- say that it was made of: it goes when one of them goes or changes, and is made anew.
CREATE TABLE summary (
    memory_id INTEGER PRIMARY KEY REFERENCES memory (id) ON DELETE CASCADE,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    -- 1: of turns; 2: of summaries of turns; and so on.
    depth INTEGER NOT NULL CHECK (depth >= 1),
    -- The first turn that it stands for, by which summaries are in the order of the conversation. Without a reference: it goes
    -- with that turn.
    first_turn INTEGER NOT NULL,
    -- The summary that it went into; NULL at the top.
    parent INTEGER REFERENCES summary (memory_id) ON DELETE SET NULL
) STRICT;
CREATE INDEX summary_top ON summary (session_id, parent, depth, first_turn);
CREATE INDEX summary_parent ON summary (parent) WHERE parent IS NOT NULL;

-- The turns of summaries of depth 1. Each is in one at most.
CREATE TABLE summary_turn (
    turn_id INTEGER PRIMARY KEY REFERENCES memory (id) ON DELETE CASCADE,
    summary_id INTEGER NOT NULL REFERENCES summary (memory_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX summary_turn_of ON summary_turn (summary_id);

-- Turns that left their window and are in no summary yet. One goes with its memory by trigger, as it does from a window.
CREATE TABLE summary_due (
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    turn_id INTEGER NOT NULL,
    PRIMARY KEY (session_id, turn_id)
) STRICT, WITHOUT ROWID;

DROP TRIGGER memory_deleted;
CREATE TRIGGER memory_deleted AFTER DELETE ON memory BEGIN
    DELETE FROM window WHERE session_id = old.session_id AND memory_id = old.id;
    DELETE FROM summary_due WHERE session_id = old.session_id AND turn_id = old.id;
    DELETE FROM memory_words WHERE rowid = old.id;
    DELETE FROM memory_grams WHERE rowid = old.id;
END;
