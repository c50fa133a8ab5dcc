-- SQLite gets an index of all that is read of an image's thumbnails. Both databases have the same migrations.
SELECT;
