-- The model whose vectors are compared: of every process that asks, until all of it is switched to another one. NULL while
-- there are no vectors. A file that has vectors of several models goes on with the one that has the most, the newer of two.
ALTER TABLE meta ADD COLUMN model_id INTEGER REFERENCES model (id);
UPDATE meta SET model_id = (
    SELECT model.id FROM model JOIN vector ON vector.id BETWEEN model.id << 51 AND (model.id << 51) | 0x7ffffffffffff
    WHERE (vector.id & 255) = 0 GROUP BY model.id ORDER BY count(*) DESC, model.id DESC LIMIT 1
);
-- The model that a change under way leads to. What is stored of any other model than these two is deleted by and by.
ALTER TABLE meta ADD COLUMN next_model_id INTEGER REFERENCES model (id);

-- The log speaks of vectors of the serving model and of no other: nobody holds those of a model that does not serve yet, or
-- no longer. op: 10 model switched, in each scope, about the passage 0: what is held of vectors is read anew.
DROP TRIGGER vector_dropped;
CREATE TRIGGER vector_dropped AFTER DELETE ON vector WHEN (old.id & 255) = 0 BEGIN
    INSERT INTO change (op, passage_id, scope_id, model_id, nonce)
        SELECT 5, passage.id, scope_id, old.id >> 51, random() FROM passage JOIN meta ON model_id = old.id >> 51
        WHERE passage.id = (old.id >> 8) & 0x7ffffffffff;
END;
