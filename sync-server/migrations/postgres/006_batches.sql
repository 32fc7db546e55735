-- Batches of all writers: whoever writes takes the next number, waits for the one
-- before to end, and sees whether others wrote since its own.
CREATE TABLE batch (number BIGINT NOT NULL);
INSERT INTO batch VALUES (0);
