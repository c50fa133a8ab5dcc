-- SQLite keeps whether there is a description; here it is a stored column already. Both databases have the same migrations.
SELECT;
