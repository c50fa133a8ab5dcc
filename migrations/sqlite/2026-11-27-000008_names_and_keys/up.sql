-- A search by name that asks for more than the words took the index of names alone, once its walk had an end, and fetched
-- the row of each name for its key. An expression that only the index of names and their keys has leaves no choice: CAST
-- changes nothing of a name, and compares as it does.
DROP INDEX employers_name;
CREATE INDEX employers_name ON employers (CAST(name AS TEXT), search_key);
