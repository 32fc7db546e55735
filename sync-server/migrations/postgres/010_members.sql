-- Who is in a space, by account: pages of a class.
CREATE INDEX membership_space ON membership (space, account);
-- What waits for staff.
CREATE INDEX entry_pending ON entry (n) WHERE pending IS NOT NULL;
