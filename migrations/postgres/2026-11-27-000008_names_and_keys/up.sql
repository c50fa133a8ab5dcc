-- SQLite gets another index of names and their keys. Both databases have the same migrations.
SELECT;
